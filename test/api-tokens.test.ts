import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiTokenPrefix } from "../src/auth/api-token.ts";
import { createToken } from "../src/auth/token.ts";
import { listApiTokens, revokeApiToken } from "../src/sessions/api-tokens.ts";
import { minInstant } from "../src/sessions/instant.ts";
import type { Rpc } from "./clients/client.ts";
import { clients } from "./clients/clients.ts";
import { createGivenApiToken, secretsOf } from "./support/api-tokens.ts";
import { createKratos, idsOf } from "./support/kratos.ts";
import { startTestServer } from "./support/server.ts";

const server = await startTestServer();
afterAll(() => server.close());
const { database, instanceId, given, issuer } = server;
const { ask } = createKratos(server);
const givenApiToken = createGivenApiToken(server);

const listSessions: Rpc = "zitadel.session.v2.SessionService/ListSessions";
const rpcs: Rpc[] = [
  listSessions,
  "zitadel.session.v2beta.SessionService/ListSessions",
  "zitadel.auth.v1.AuthService/ListMyUserSessions",
];

// One session each of two organizations.
beforeAll(async () => {
  await given.session({ id: "of-ann", userId: "ann", agentFingerprintId: "firefox" });
  await given.session({ id: "of-bob", userId: "bob", organizationId: "org-2" });
});

const badTokens: [name: string, token: () => Promise<string>][] = [
  ["unknown", async () => createToken(apiTokenPrefix)],
  ["nothing but the prefix", async () => apiTokenPrefix],
  ["truncated", async () => (await givenApiToken()).token.slice(0, -1)],
  ["one character longer", async () => `${(await givenApiToken()).token}A`],
  ["changed by one bit", async () => flip((await givenApiToken()).token)],
  ["its own hash", async () => `${apiTokenPrefix}${(await givenApiToken()).tokenHash.toString("hex")}`],
  ["expired", async () => (await givenApiToken({ expiresAt: minInstant })).token],
  ["revoked", givenRevoked],
  ["of another instance", async () => (await createGivenApiToken({ database, instanceId: randomUUID() })()).token],
  ["of an inactive user", () => givenTokenOf("inactive")],
  ["of a deleted user", () => givenTokenOf("deleted")],
];

describe.each(clients)("$name", (kind) => {
  const client = kind.open(server.url);
  afterAll(() => client.close());

  test.each(rpcs)("%s takes an API token", async (rpc) => {
    const { token } = await givenApiToken();

    expect(await client.call(rpc, {}, token)).toHaveProperty("answer");
  });

  test.each(badTokens)("refuses a token that is %s, like any other bad one", async (_name, bad) => {
    expect(await client.call(listSessions, {}, await bad())).toEqual({
      failure: {
        code: 16,
        message: "Errors.Token.Invalid (AUTH-7fs1e)",
        details: [{ id: "AUTH-7fs1e", message: "Errors.Token.Invalid" }],
      },
    });
  });

  test("is at no user agent with it", async () => {
    const { token } = await givenApiToken({ userId: "ann" });

    const mine = await client.call("zitadel.auth.v1.AuthService/ListMyUserSessions", {}, token);
    const atMine = await client.call(listSessions, { queries: [{ userAgentQuery: {} }] }, token);

    expect(mine).toEqual({ answer: {} });
    expect(atMine).toMatchObject({ failure: { code: 3, details: [{ id: "GRPC-x8n23uh" }] } });
  });
});

describe("Kratos's admin routes", () => {
  test("take an API token", async () => {
    const { token } = await givenApiToken();

    const answer = await ask("GET", "/admin/sessions", { headers: bearer(token) });

    expect([answer.status, idsOf(answer).toSorted()]).toEqual([200, ["of-ann", "of-bob"]]);
  });

  test.each(badTokens)("refuse a token that is %s, like any other bad one", async (_name, bad) => {
    const { status, json } = await ask("GET", "/admin/sessions", { headers: bearer(await bad()) });

    expect(status).toBe(401);
    expect(json.error).toEqual({
      code: 401,
      status: "Unauthorized",
      reason: "API token is not good",
      message: "The request could not be authorized",
    });
  });
});

test("an API token is nobody's session", async () => {
  const { token } = await givenApiToken({ userId: "ann" });

  for (const headers of [bearer(token), { "x-session-token": token }]) {
    expect((await ask("GET", "/sessions", { headers })).status).toBe(401);
  }
});

test("a known user's token is as good as an unknown one's", async () => {
  expect(await listWith(await givenTokenOf("active"))).toEqual(["of-ann", "of-bob"]);
});

describe("the scope of an API token counts like that of a JWT", () => {
  const both = ["of-ann", "of-bob"];

  test.each<[scope: string, seen: string[], managed: string[]]>([
    ["session.read", both, both],
    ["session.read/org-1", ["of-ann"], ["of-ann"]],
    ["session.read/org-1 session.read/org-2", both, both],
    ["session.read/org", [], []],
    ["session.write session.delete", [], []],
  ])("%s", async (scope, seen, managed) => {
    const { token } = await givenApiToken({ scope });
    const jwt = await issuer.token({ sub: "service", scope });

    for (const either of [token, jwt]) {
      expect(await listWith(either)).toEqual(seen);
      expect(idsOf(await ask("GET", "/admin/sessions", { headers: bearer(either) })).toSorted()).toEqual(managed);
    }
  });

  test("and their own sessions are theirs without any", async () => {
    const { token } = await givenApiToken({ userId: "ann", scope: "session.write" });

    expect(await listWith(token)).toEqual(["of-ann"]);
  });

  test.each([
    ["session.read session.write", 404],
    ["session.delete/org-2", 404],
    ["session.delete/org-1", 204],
  ])("%s ends a session of org-1 with %i", async (scope, expected) => {
    const elsewhere = await startTestServer();
    const session = await elsewhere.given.session({ userId: "ann" });
    const { token } = await createGivenApiToken(elsewhere)({ scope });

    const { status } = await createKratos(elsewhere).ask("DELETE", `/admin/sessions/${session.id}`, {
      headers: bearer(token),
    });
    const [row] = await database.client`select ended_by from sessions where id = ${session.id}`;
    await elsewhere.close();

    expect([status, row?.["ended_by"]]).toEqual([expected, expected === 204 ? "service" : null]);
  });
});

describe("the last use of an API token", () => {
  test("is that of the first of 20 parallel requests, and stays for a minute", async () => {
    const { id, token } = await givenApiToken();
    const before = BigInt(Date.now()) * 1_000n;

    const answers = await Promise.all(Array.from({ length: 20 }, () => listWith(token)));
    const first = await lastUseOf(id);
    await listWith(token);

    expect(answers).toEqual(Array(20).fill(["of-ann", "of-bob"]));
    expect(first).toBeGreaterThanOrEqual(before);
    expect(await lastUseOf(id)).toBe(first);
  });

  test("is not that of a token that expired", async () => {
    const { id, token } = await givenApiToken({ expiresAt: minInstant });

    await expect(listWith(token)).rejects.toThrow();

    expect(await lastUseOf(id)).toBeNull();
  });
});

test("the log names the user, and neither a token nor its hash", async () => {
  const { token } = await givenApiToken({ userId: "logged" });
  const tokens = [token, flip(token), await givenRevoked()];

  for (const each of tokens) {
    await ask("POST", "/v2/sessions/search", { headers: bearer(each), body: "{}" });
    await ask("GET", "/admin/sessions", { headers: bearer(each) });
    await ask("GET", "/sessions", { headers: bearer(each) });
  }

  expect(server.log).toContainEqual(expect.objectContaining({ userId: "logged", path: "/v2/sessions/search" }));
  const log = JSON.stringify(server.log);
  for (const secret of tokens.flatMap(secretsOf)) expect(log).not.toContain(secret);
});

function bearer(token: string) {
  return { authorization: `Bearer ${token}` };
}

/** The ids of the sessions that the bearer of a token may see, in their order. Throws if they are refused. */
async function listWith(token: string): Promise<string[]> {
  const { status, json } = await ask("POST", "/v2/sessions/search", { headers: bearer(token), body: "{}" });
  if (status !== 200) throw new Error(`answered ${status}`);
  return (json.sessions ?? []).map(({ id }: { id: string }) => id).toSorted();
}

async function lastUseOf(id: string) {
  const found = (await listApiTokens(database.db, instanceId)).find((token) => token.id === id);
  if (found === undefined) throw new Error("there is no such token");
  return found.lastUsedAt;
}

async function givenRevoked(): Promise<string> {
  const { id, token } = await givenApiToken();
  if (!(await revokeApiToken(database.db, instanceId, id))) throw new Error("the token was not revoked");
  return token;
}

async function givenTokenOf(state: "active" | "inactive" | "deleted"): Promise<string> {
  const { id: userId } = await given.user({ state });
  return (await givenApiToken({ userId })).token;
}

/** The token with one bit of its last character flipped. */
function flip(token: string): string {
  return token.slice(0, -1) + String.fromCharCode(token.charCodeAt(token.length - 1) ^ 1);
}
