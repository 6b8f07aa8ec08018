import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSessionToken, hashToken } from "../../src/auth/token.ts";
import type { Verifier } from "../../src/verifier.ts";
import { createTestDatabase, openTestDatabase, type TestDatabase } from "../support/database.ts";
import { now } from "../support/given.ts";
import { credulous } from "../support/logins.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { bearer } from "./clients.ts";

const scope = "session.read session.write session.delete";
const wrong: Verifier = {
  check: async () => ({ verified: false, reason: "wrong", failedAttempts: 3 }),
  challenge: async () => ({ verified: false, reason: "locked", failedAttempts: 0 }),
};
const broken: Verifier = {
  check: () => Promise.reject(new Error("a mistake of ours")),
  challenge: () => Promise.reject(new Error("a mistake of ours")),
};

let testDatabase: TestDatabase;
beforeAll(async () => {
  testDatabase = await createTestDatabase();
});
afterAll(() => testDatabase.drop());

describe("no token, hash, password or code stands in the log, in an error or in a list", () => {
  test.each([
    ["when all goes well", credulous],
    ["when checks fail", wrong],
    ["when the verifier breaks", broken],
    ["without a verifier", undefined],
  ])("%s", async (_name, verifier) => {
    const { told, log } = await useEverything({ verifier });

    expect(told).toContain("COMMAND-sGr42");
    expect(log).toContain("/v2/sessions/");
  });

  test("when PostgreSQL refuses a row, and quotes it", async () => {
    const database = openTestDatabase(testDatabase.url);
    await database.client`alter table sessions add constraint refused check (agent_description is null) not valid`;

    const { log } = await useEverything({ databaseUrl: testDatabase.url, verifier: credulous });

    await database.client`alter table sessions drop constraint refused`;
    await database.close();
    expect(log).toContain("refused");
    // Its hash would stand there; nobody was told the token.
    expect(/\\x[0-9a-f]{16}/.exec(log)).toBeNull();
  });

  test("when PostgreSQL has lost its tables", async () => {
    const lost = await createTestDatabase();
    const database = openTestDatabase(lost.url);
    const loseTables = () => database.client`drop table sessions cascade`;

    const { log } = await useEverything({ databaseUrl: lost.url, verifier: credulous }, loseTables);

    await database.close();
    await lost.drop();
    expect(log).toContain('relation \\"sessions\\" does not exist');
  });
});

/**
 * Sends every method what is secret, well and badly, and checks that neither what callers are told nor the log hold any
 * of it; returns both.
 */
async function useEverything(
  options: NonNullable<Parameters<typeof startTestServer>[0]>,
  before: () => Promise<unknown> = async () => {},
) {
  const server = await startTestServer(options);
  const [session, other] = [await givenLogin(server), await givenLogin(server)];
  await before();
  const secrets = { password: randomUUID(), code: "x9#Q7z", token: `ory_st_${randomUUID()}` };
  const service = await bearer(server, { sub: "login", scope });
  const told: string[] = [];
  const tokens = [session.token, other.token, secrets.token];
  for (const { method, path, body } of requestsOf(session, other, secrets)) {
    for (const authorization of [service.authorization, `Bearer ${session.token}`, `Bearer ${secrets.token}`]) {
      const headers = { authorization, "content-type": "application/json" };
      const answer = await fetch(`${server.url}${path}`, { method, headers, body: body && JSON.stringify(body) });
      const text = await answer.text();
      // The one place for a new token is the answer to who asked for it.
      const { sessionToken = "" } = answer.ok ? JSON.parse(text) : {};
      if (sessionToken) tokens.push(sessionToken);
      told.push(sessionToken ? text.replace(`"${sessionToken}"`, "") : text);
    }
  }
  await server.close();

  const seen = { told: told.join("\n"), log: JSON.stringify(server.log) };
  const hidden = [secrets.password, secrets.code, ...tokens.flatMap(spellingsOf)];
  for (const text of [seen.told, seen.log]) expect(hidden.filter((secret) => text.includes(secret))).toEqual([]);
  return seen;
}

/** A session that somebody has signed in to, without asking the server. */
async function givenLogin({ given }: TestServer) {
  const token = createSessionToken();
  const { id: userId } = await given.user();
  const { id } = await given.session({ userId, passwordCheckedAt: now, tokenHash: hashToken(token) });
  return { id, userId, token };
}

/** Requests to every method that hold secrets, in both kinds of JSON. */
function requestsOf(
  session: { id: string; userId: string; token: string },
  other: { id: string; token: string },
  secrets: { password: string; code: string; token: string },
) {
  const { password, code, token } = secrets;
  const user = { userId: session.userId };
  const userAgent = { description: "a browser" };
  const all = [
    { user, password: { password } },
    { user, totp: { code } },
    { user, otpSms: { code } },
  ];
  const [first, ...others] = all.map((checks) => ({ checks, userAgent }));
  const challenged = { ...first, challenges: { otpSms: { returnCode: true } } };
  const bySession = `/v2/sessions/${session.id}`;
  const rpc = "/zitadel.session.v2.SessionService";
  const sessionId = session.id;
  return [
    // First, for the token is void once the session has been changed.
    { method: "GET", path: `${bySession}?sessionToken=${session.token}`, body: undefined },
    { method: "POST", path: `${rpc}/ListSessions`, body: {} },
    ...[first, ...others, challenged].map((body) => ({ method: "POST", path: "/v2/sessions", body })),
    ...all.map((checks) => ({ method: "PATCH", path: bySession, body: { checks, sessionToken: token } })),
    { method: "PATCH", path: bySession, body: { metadata: { key: btoa(randomUUID()) } } },
    { method: "GET", path: `${bySession}?sessionToken=${token}`, body: undefined },
    { method: "GET", path: `${bySession}?session_token=${token.repeat(9)}`, body: undefined },
    { method: "POST", path: `${rpc}/GetSession`, body: { sessionId, sessionToken: token } },
    { method: "POST", path: `${rpc}/SetSession`, body: { sessionId, checks: { password: { password, code } } } },
    { method: "POST", path: `${rpc}/SetSession`, body: { sessionId, checks: { totp: { code: `${code}${code}` } } } },
    { method: "POST", path: `${rpc}/ListSessions`, body: {} },
    { method: "POST", path: "/zitadel.auth.v1.AuthService/ListMyUserSessions", body: {} },
    { method: "DELETE", path: bySession, body: { sessionToken: token } },
    { method: "POST", path: `${rpc}/DeleteSession`, body: { sessionId: other.id, sessionToken: other.token } },
  ];
}

/** A token and its hash, however they are written. PostgreSQL shortens what it quotes, so a part is enough. */
function spellingsOf(token: string): string[] {
  const hashes = (["hex", "base64", "base64url"] as const).map((encoding) =>
    hashToken(token).toString(encoding).slice(0, 20),
  );
  return [token.slice("ory_st_".length), ...hashes];
}
