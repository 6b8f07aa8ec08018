import { randomUUID } from "node:crypto";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { SessionState } from "../../gen/zitadel/user/v1/session_pb.ts";
import { idsOf, type SignedIn, startKratosServer } from "../support/kratos.ts";
import { admin, as, createClients } from "../zitadel/clients.ts";

const server = await startKratosServer();
afterAll(() => server.close());
const { ask } = server;
const zitadel = createClients(server);

// Somebody with two sessions, the other one in a browser of its own.
let ann: SignedIn;
let other: SignedIn;
let agentId: string;
beforeEach(async () => {
  agentId = randomUUID();
  ann = await server.signIn();
  other = await server.signInAs(ann.user, { agentFingerprintId: agentId });
});

test("a session is the same one in every list of both dialects", async () => {
  expect(await everywhere()).toEqual({
    "GET /sessions": true,
    "GET /admin/sessions/{id}": true,
    "GET /admin/identities/{id}/sessions?active=true": true,
    "GET /sessions/whoami": true,
    ListSessions: true,
    ListMyUserSessions: SessionState.ACTIVE,
  });
});

describe("a session that is ended by", () => {
  test.each<[string, () => Promise<{ status: number }>]>([
    ["DELETE /sessions/{id}", () => ask("DELETE", `/sessions/${other.session.id}`, ann)],
    ["DELETE /sessions", () => ask("DELETE", "/sessions", ann)],
    ["DELETE /admin/sessions/{id}", async () => manage("DELETE", `/admin/sessions/${other.session.id}`)],
    [
      "POST /admin/sessions",
      () => manage("POST", "/admin/sessions", JSON.stringify({ action: "disable", sessions: [other.session.id] })),
    ],
  ])("%s is ended in both dialects", async (_route, end) => {
    expect((await end()).status).toBeLessThan(300);

    expect(await everywhere()).toEqual({
      "GET /sessions": false,
      "GET /admin/sessions/{id}": false,
      "GET /admin/identities/{id}/sessions?active=true": false,
      "GET /sessions/whoami": false,
      ListSessions: false,
      ListMyUserSessions: SessionState.TERMINATED,
    });
  });

  test("nobody, but erased, is in neither dialect", async () => {
    await manage("DELETE", `/admin/identities/${ann.user.id}/sessions`);

    expect((await manage("GET", `/admin/sessions/${other.session.id}`)).status).toBe(404);
    expect(await inListSessions()).toBe(false);
    expect(await inListMyUserSessions()).toBeUndefined();
  });
});

test("an end is a change: the session takes the next sequence in Zitadel's dialect", async () => {
  const before = await entryOfAgent();
  await ask("DELETE", `/sessions/${other.session.id}`, ann);
  const after = await entryOfAgent();

  expect(Number(after?.details?.sequence)).toBeGreaterThan(Number(before?.details?.sequence));
  expect(after?.details?.changeDate).not.toEqual(before?.details?.changeDate);
});

/** Where the other session is listed, or what it is there. */
async function everywhere() {
  const { id } = other.session;
  const ofUser = await manage("GET", `/admin/identities/${ann.user.id}/sessions?active=true`);
  return {
    "GET /sessions": idsOf(await ask("GET", "/sessions", ann)).includes(id),
    "GET /admin/sessions/{id}": (await manage("GET", `/admin/sessions/${id}`)).json.active,
    "GET /admin/identities/{id}/sessions?active=true": idsOf(ofUser).includes(id),
    "GET /sessions/whoami": (await ask("GET", "/sessions/whoami", other)).status === 200,
    ListSessions: await inListSessions(),
    ListMyUserSessions: await inListMyUserSessions(),
  };
}

async function inListSessions(): Promise<boolean> {
  const { sessions } = await zitadel.sessions.listSessions({}, await as(server, admin));
  return sessions.some(({ id }) => id === other.session.id);
}

async function inListMyUserSessions(): Promise<SessionState | undefined> {
  const entry = await entryOfAgent();
  return entry?.sessionId === other.session.id ? entry.authState : undefined;
}

async function entryOfAgent() {
  const { result } = await zitadel.auth.listMyUserSessions({}, await as(server, { agent_id: agentId }));
  return result[0];
}

async function manage(method: string, path: string, body?: string) {
  const headers = await server.manager();
  return await ask(method, path, { headers, ...(body !== undefined && { body }) });
}
