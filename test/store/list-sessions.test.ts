import { randomUUID } from "node:crypto";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { type Caller, readableBy } from "../../src/sessions/access.ts";
import { listSessions } from "../../src/sessions/store.ts";
import { openTestDatabase } from "../support/database.ts";
import { createGiven } from "../support/given.ts";

const database = openTestDatabase();
afterAll(() => database.close());

let instanceId: string;
let given: ReturnType<typeof createGiven>;
beforeEach(() => {
  instanceId = randomUUID();
  given = createGiven(database, instanceId);
});

describe("listSessions", () => {
  test("an empty instance has no session and a total of 0", async () => {
    expect(await list(admin())).toEqual({ ids: [], total: 0 });
  });

  test("a page past the end is empty and still knows the total", async () => {
    await given.session();
    await given.session();

    expect(await list(admin(), { offset: 2 })).toEqual({ ids: [], total: 2 });
  });
});

function admin(): Caller {
  return {
    instanceId,
    userId: "admin",
    agentId: undefined,
    grants: [{ permission: "session.read", organizationId: undefined }],
  };
}

async function list(caller: Caller, page: { offset?: number; limit?: number } = {}) {
  const query = { conditions: [], page: { offset: 0, limit: 100, order: "newest_first" as const, ...page } };
  const { sessions, total } = await listSessions(database.db, readableBy(caller), query);
  return { ids: sessions.map(({ session }) => session.id), total };
}
