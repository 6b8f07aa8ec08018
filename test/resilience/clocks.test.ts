import { afterAll, expect, test } from "vitest";
import { everySessionOf } from "../../src/sessions/access.ts";
import { storeRecords } from "../../src/sessions/bulk.ts";
import { endSessions, extendSession } from "../../src/sessions/change.ts";
import { packDeletions } from "../../src/sessions/deletions.ts";
import { hasIdIn } from "../../src/sessions/filter.ts";
import { instantOfMs } from "../../src/sessions/instant.ts";
import { erasePerson } from "../../src/sessions/person.ts";
import { findSession } from "../../src/sessions/store.ts";
import { hour, minute, now } from "../support/given.ts";
import { startTestServer } from "../support/server.ts";

const server = await startTestServer();
afterAll(() => server.close());
const { instanceId, database, given } = server;
const { db } = database;
const scope = everySessionOf(instanceId);

// As if a process whose clock is ahead had changed it last; also ahead of PostgreSQL's own.
const last = instantOfMs(Date.now()) + hour;

test.each<[string, (id: string, userId: string) => Promise<unknown>]>([
  ["ends it", (id) => endSessions(db, scope, [hasIdIn([id])], { at: now, reason: "test", by: undefined })],
  ["extends it", (id) => extendSession(db, scope, id, { at: now, expiresAt: now + minute })],
  [
    "deletes its user",
    (_id, userId) => storeRecords(db, packDeletions([{ kind: "deleted_user", user: { instanceId, id: userId } }])),
  ],
  ["forgets its creator", () => erasePerson(db, scope, "creator", now)],
])("who %s with a clock that is behind does not put its dates back", async (_name, change) => {
  const { id: userId } = await given.user();
  const { id } = await given.session({ userId, changedAt: last, expiresAt: last + hour, creatorId: "creator" });

  await change(id, userId);

  const found = await findSession(db, scope, [hasIdIn([id])]);
  expect(found?.session).toMatchObject({ changedAt: last, sequence: expect.anything() });
  expect(found?.session.endedAt ?? last).toBe(last);
});
