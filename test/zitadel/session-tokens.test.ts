import { randomUUID } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSessionToken, hashToken } from "../../src/auth/token.ts";
import { sessions as table } from "../../src/sessions/schema.ts";
import { createGiven, now } from "../support/given.ts";
import { createLogins, credulous, type Login } from "../support/logins.ts";
import { startTestServer } from "../support/server.ts";
import { statementsOf } from "../support/statements.ts";
import { wrongTokens } from "../support/wrong-tokens.ts";
import { as, createClients, failureOf } from "./clients.ts";

const server = await startTestServer({ verifier: credulous });
afterAll(() => server.close());
const { sessions, sessionsBeta } = createClients(server);
const { signIn, rotate, options: login } = await createLogins(server);
const stranger = await as(server, { sub: "stranger" });

const malformed: [name: string, token: string][] = [
  ["201 characters", "x".repeat(201)],
  ["a NUL", "ory_st_\0"],
];
const refusals = {
  bearer: { code: Code.Unauthenticated, message: "Errors.Token.Invalid (AUTH-7fs1e)", id: "AUTH-7fs1e" },
  delete: { code: Code.PermissionDenied, message: "Errors.Session.Token.Invalid (COMMAND-sGr42)", id: "COMMAND-sGr42" },
  get: { code: Code.PermissionDenied, message: "Errors.PermissionDenied (QUERY-dsfr3)", id: "QUERY-dsfr3" },
};

describe("a token that is not the session's is refused, whatever is wrong with it", () => {
  let mine: Login & { wrong: [name: string, token: string][] };
  beforeAll(async () => {
    const { sessionToken: old, ...login } = await signIn();
    const sessionToken = await rotate(login.sessionId);
    mine = { ...login, sessionToken, wrong: [...wrongTokens(sessionToken), ["an old one", old]] };
    // The same session in another instance, with a token of its own.
    const elsewhere = { id: login.sessionId, userId: login.userId, passwordCheckedAt: now };
    const token = createSessionToken();
    await createGiven(server.database, randomUUID()).session({ ...elsewhere, tokenHash: hashToken(token) });
    mine.wrong.push(["another instance's", token], ["not ASCII", "ory_st_ä€😀"]);
  });

  test("in DeleteSession", async () => {
    const foreign = (await signIn()).sessionToken;
    const wrong = [...mine.wrong, ...malformed, named("another session's", foreign)];

    const failures = await failuresOf(wrong, (sessionToken) =>
      sessions.deleteSession({ sessionId: mine.sessionId, sessionToken }, stranger),
    );

    expect(failures).toEqual(all(wrong, refusals.delete));
    expect(await rowOf(mine)).toMatchObject({ endedAt: null, tokenHash: hashToken(mine.sessionToken) });
  });

  test("in DeleteSession by whoever could end the session without", async () => {
    const failure = await failureOf(
      sessions.deleteSession({ sessionId: mine.sessionId, sessionToken: "nonsense" }, login),
    );

    expect(failure).toEqual(refusals.delete);
  });

  test("in DeleteSession, also if there is no such session", async () => {
    const { sessionToken } = mine;
    const failure = await failureOf(sessions.deleteSession({ sessionId: "unknown", sessionToken }, stranger));

    expect(failure).toEqual(refusals.delete);
  });

  test("in GetSession", async () => {
    const foreign = (await signIn()).sessionToken;
    const wrong = [...mine.wrong.filter(([, token]) => isWithinRule(token)), named("another session's", foreign)];

    const failures = await failuresOf(wrong, (sessionToken) =>
      sessions.getSession({ sessionId: mine.sessionId, sessionToken }, stranger),
    );

    expect(failures).toEqual(all(wrong, refusals.get));
  });

  test("in GetSession by whoever may see the session without", async () => {
    const failure = await failureOf(
      sessions.getSession({ sessionId: mine.sessionId, sessionToken: "nonsense" }, login),
    );

    expect(failure).toEqual(refusals.get);
  });

  test("in GetSession, also if there is no such session", async () => {
    const { sessionToken } = mine;
    const failure = await failureOf(sessions.getSession({ sessionId: "unknown", sessionToken }, stranger));

    expect(failure).toEqual(refusals.get);
  });

  test.each([["none", ""], ...malformed])(
    "in GetSession, that breaks its rule, as invalid: %s",
    async (_name, token) => {
      const failure = await failureOf(
        sessions.getSession({ sessionId: mine.sessionId, sessionToken: token }, stranger),
      );

      expect(failure).toMatchObject({ code: Code.InvalidArgument, id: undefined });
      expect(failure.message).toMatch(/^sessionToken: /);
    },
  );

  test("as a bearer", async () => {
    // What no header can hold is not sent.
    const wrong = [...mine.wrong, ...malformed].filter(([, token]) => /^[!-~][ -~]*[!-~]$/.test(token));

    const failures = await failuresOf(wrong, (token) => sessions.listSessions({}, bearing(token)));

    expect(failures).toEqual(all(wrong, refusals.bearer));
  });

  test("with the same statements, so that no time tells what is wrong", async () => {
    const { sessionId } = mine;
    // A call at a time, so that no two are mixed up: without what differs by the position only.
    const wrong = mine.wrong.filter(([name, token]) => !/[1-9]/.test(name) && /^[!-~]+$/.test(token));
    const seen = { delete: new Set(), get: new Set(), bearer: new Set() };
    for (const [, sessionToken] of wrong) {
      const statements = async (call: () => Promise<unknown>) =>
        (await statementsOf(server.database, () => failureOf(call()))).join("; ");
      seen.delete.add(await statements(() => sessions.deleteSession({ sessionId, sessionToken }, stranger)));
      seen.get.add(await statements(() => sessions.getSession({ sessionId, sessionToken }, stranger)));
      seen.bearer.add(await statements(() => sessions.listSessions({}, bearing(sessionToken))));
    }

    for (const statements of Object.values(seen)) expect([...statements]).toEqual([expect.stringMatching(/select/)]);
  });

  test("and its own opens it to anybody", async () => {
    const { sessionId, sessionToken } = mine;

    for (const client of [sessions, sessionsBeta]) {
      expect((await client.getSession({ sessionId, sessionToken }, stranger)).session?.id).toBe(sessionId);
    }
    const { details } = await sessions.deleteSession({ sessionId, sessionToken }, stranger);
    expect(await rowOf(mine)).toMatchObject({ sequence: details?.sequence, endReason: "revoked_by_token" });
  });
});

test("an empty token is none: the caller's own rights decide", async () => {
  const { sessionId, userId } = await signIn();
  const request = { sessionId, sessionToken: "" };

  const failure = await failureOf(sessions.deleteSession(request, stranger));
  await sessions.deleteSession(request, await as(server, { sub: userId }));

  expect(failure).toMatchObject({ code: Code.PermissionDenied, id: "AUTH-AWfge" });
  expect(await rowOf({ sessionId })).toMatchObject({ endReason: "revoked_by_user" });
});

test("the token of an ended session ends it again, to the same answer, and opens nothing else", async () => {
  const { sessionId, sessionToken } = await signIn();
  const first = await sessions.deleteSession({ sessionId, sessionToken }, stranger);
  const row = await rowOf({ sessionId });

  const again = await sessions.deleteSession({ sessionId, sessionToken }, stranger);

  expect(again).toEqual(first);
  expect(await rowOf({ sessionId })).toEqual(row);
  expect(await failureOf(sessions.getSession({ sessionId, sessionToken }, stranger))).toEqual(refusals.get);
  expect(await failureOf(sessions.listSessions({}, bearing(sessionToken)))).toEqual(refusals.bearer);
});

test("the token of an expired session opens it in GetSession and ends it, and is no bearer", async () => {
  const { sessionId, sessionToken } = await signIn();
  await server.database.db.update(table).set({ expiresAt: now }).where(eq(table.id, sessionId));

  expect(await failureOf(sessions.listSessions({}, bearing(sessionToken)))).toEqual(refusals.bearer);
  expect((await sessions.getSession({ sessionId, sessionToken }, stranger)).session?.id).toBe(sessionId);
  await sessions.deleteSession({ sessionId, sessionToken }, stranger);
  expect(await rowOf({ sessionId })).toMatchObject({ endReason: "revoked_by_token", endedBy: "stranger" });
});

function bearing(token: string) {
  return { headers: { authorization: `Bearer ${token}` } };
}

function isWithinRule(token: string): boolean {
  return token.length <= 200;
}

function named(name: string, token: string): [name: string, token: string] {
  return [name, token];
}

async function failuresOf(tokens: [name: string, token: string][], call: (token: string) => Promise<unknown>) {
  return await Promise.all(tokens.map(async ([name, token]) => ({ name, ...(await failureOf(call(token))) })));
}

function all(tokens: [name: string, token: string][], refusal: object) {
  return tokens.map(([name]) => ({ name, ...refusal }));
}

async function rowOf({ sessionId }: Pick<Login, "sessionId">) {
  const rows = await server.database.db.select().from(table).where(eq(table.id, sessionId));
  return rows.find(({ instanceId }) => instanceId === server.instanceId);
}
