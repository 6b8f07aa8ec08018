import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createGiven } from "../support/given.ts";
import { idsOf, type SignedIn, startKratosServer } from "../support/kratos.ts";

const server = await startKratosServer();
afterAll(() => server.close());
const { ask, given } = server;

// One session each of two organizations, one without a user, and one in another instance under an id of ours.
let ann: SignedIn;
let ids: { org1: string; org2: string; nobody: string; elsewhere: string };
beforeAll(async () => {
  ann = await server.signIn({ id: "ann" });
});
beforeEach(async () => {
  const elsewhere = await createGiven(server.database, randomUUID()).session({ userId: "ann" });
  ids = {
    org1: (await given.session({ userId: "ann" })).id,
    org2: (await given.session({ userId: "bob", organizationId: "org-2" })).id,
    nobody: (await given.session({ creatorId: "manager" })).id,
    elsewhere: elsewhere.id,
  };
});

type Name = keyof typeof ids;

describe("reading", () => {
  test.each<[string, string, Name[]]>([
    ["no scope", "", []],
    ["session.delete", "session.delete", []],
    ["session.write", "session.write", []],
    ["session.read", "session.read", ["org1", "org2", "nobody"]],
    ["session.read of an organization", "session.read/org-1", ["org1"]],
    ["session.read of two organizations", "session.read/org-1 session.read/org-2", ["org1", "org2"]],
    ["session.read of an unknown organization", "session.read/org", []],
  ])("with %s shows what that allows", async (_name, scope, visible) => {
    const headers = await server.manager(scope);

    const listed = idsOf(await ask("GET", "/admin/sessions?page_size=1000", { headers }));
    expect(namesIn(listed)).toEqual(visible);
    for (const [name, id] of Object.entries(ids)) {
      const { status } = await ask("GET", `/admin/sessions/${id}`, { headers });
      expect([name, status]).toEqual([name, visible.some((one) => one === name) ? 200 : 404]);
    }
  });

  test.each<[string, string, Name[]]>([
    ["no scope", "", []],
    ["session.read", "session.read", ["org1"]],
    ["session.read of their organization", "session.read/org-1", ["org1"]],
    ["session.read of another organization", "session.read/org-2", []],
  ])("the sessions of a user with %s", async (_name, scope, visible) => {
    const { json, headers } = await ask("GET", "/admin/identities/ann/sessions", {
      headers: await server.manager(scope),
    });

    expect(namesIn(json.map(({ id }: { id: string }) => id))).toEqual(visible);
    expect(headers.get("x-total-count")).toBe(String(json.length));
  });

  test("one's own sessions are no exception: for these there is GET /sessions", async () => {
    const headers = { authorization: `Bearer ${await server.issuer.token({ sub: "ann" })}` };

    expect((await ask("GET", "/admin/sessions", { headers })).json).toEqual([]);
    expect((await ask("GET", `/admin/sessions/${ids.org1}`, { headers })).status).toBe(404);
  });
});

describe("ending", () => {
  const ends: [string, (id: string) => [method: string, path: string, body?: string]][] = [
    ["one session", (id) => ["DELETE", `/admin/sessions/${id}`]],
    ["many sessions", (id) => ["POST", "/admin/sessions", JSON.stringify({ action: "disable", sessions: [id] })]],
    ["erasing many", (id) => ["POST", "/admin/sessions", JSON.stringify({ action: "delete", sessions: [id] })]],
  ];

  describe.each(ends)("%s", (_name, toRequest) => {
    test.each<[string, string, Name[]]>([
      ["no scope", "", []],
      ["session.read and session.write", "session.read session.write", []],
      ["session.delete", "session.delete", ["org1", "org2", "nobody"]],
      ["session.delete of an organization", "session.delete/org-2", ["org2"]],
    ])("with %s", async (_scope, scope, allowed) => {
      const headers = await server.manager(scope);
      for (const id of Object.values(ids)) {
        const [method, path, body] = toRequest(id);
        await ask(method, path, { headers, ...(body !== undefined && { body }) });
      }

      expect(await namesOver()).toEqual(allowed);
    });
  });

  test.each<[string, string, number, Name[]]>([
    ["session.delete of another organization", "session.delete/org-2", 404, []],
    ["session.read", "session.read", 404, []],
    ["session.delete of their organization", "session.delete/org-1", 204, ["org1"]],
  ])("erasing the sessions of a user with %s", async (_name, scope, expected, erased) => {
    const { status } = await ask("DELETE", "/admin/identities/ann/sessions", { headers: await server.manager(scope) });

    expect(status).toBe(expected);
    expect(await namesOver()).toEqual(erased);
  });

  test("* means those of the organization that one may end", async () => {
    const body = JSON.stringify({ action: "disable", identities: ["*"] });

    await ask("POST", "/admin/sessions", { headers: await server.manager("session.delete/org-2"), body });

    expect(await namesOver()).toEqual(["org2"]);
  });
});

describe("extending", () => {
  test.each<[string, string, Name[]]>([
    ["session.read", "session.read", []],
    ["session.delete", "session.read session.delete", ["org1", "org2", "nobody"]],
    ["session.write", "session.write", ["org1", "org2", "nobody"]],
    ["session.write of an organization", "session.write/org-1", ["org1"]],
  ])("with %s", async (_name, scope, allowed) => {
    const headers = await server.manager(scope);
    for (const [name, id] of Object.entries(ids)) {
      const { status } = await ask("PATCH", `/admin/sessions/${id}/extend`, { headers });
      expect([name, status]).toEqual([name, allowed.some((one) => one === name) ? 200 : 404]);
    }
  });
});

test("a session token is no manager", async () => {
  for (const headers of [ann.headers, { authorization: `Bearer ${ann.token}` }]) {
    expect((await ask("GET", "/admin/sessions", { headers })).status).toBe(401);
  }
});

/** The names of the sessions of this test that are among these. */
function namesIn(found: readonly string[]): string[] {
  return Object.entries(ids).flatMap(([name, id]) => (found.includes(id) ? [name] : []));
}

/** The names of the sessions that were ended or erased, in whichever instance. */
async function namesOver(): Promise<string[]> {
  const rows = await server.database.client`
    select id from sessions where id = any(${Object.values(ids)}) and ended_at is null`;
  const left = rows.map(({ id }) => id);
  return Object.entries(ids).flatMap(([name, id]) => (left.includes(id) ? [] : [name]));
}
