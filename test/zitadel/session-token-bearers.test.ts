import { randomUUID } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { eq } from "drizzle-orm";
import { afterAll, describe, expect, test } from "vitest";
import { type Session, sessions as table, users } from "../../src/sessions/schema.ts";
import { now } from "../support/given.ts";
import { createLogins, credulous } from "../support/logins.ts";
import { startTestServer } from "../support/server.ts";
import { createClients, failureOf } from "./clients.ts";

const server = await startTestServer({ verifier: credulous });
afterAll(() => server.close());
const { sessions, auth } = createClients(server);
const { signIn, rotate } = await createLogins(server);
const { db } = server.database;

describe("a session token as bearer", () => {
  test("makes its user the caller, who sees their sessions and those of their agent", async () => {
    const agentId = randomUUID();
    const mine = await signIn({ agentId });
    const other = await signIn({ userId: mine.userId });
    const sameAgent = await signIn({ agentId });
    await signIn();

    const { sessions: listed } = await sessions.listSessions({}, bearing(mine.sessionToken));

    const expected = [mine, other, sameAgent].map(({ sessionId }) => sessionId);
    expect(listed.map(({ id }) => id).toSorted()).toEqual(expected.toSorted());
  });

  test("names the user agent that it lives in: the switcher works", async () => {
    const agentId = randomUUID();
    const mine = await signIn({ agentId });
    const sameAgent = await signIn({ agentId });
    await signIn({ userId: mine.userId });
    const inMyAgent = { case: "userAgentQuery" as const, value: {} };

    const { result } = await auth.listMyUserSessions({}, bearing(mine.sessionToken));
    const { sessions: listed } = await sessions.listSessions(
      { queries: [{ query: inMyAgent }] },
      bearing(mine.sessionToken),
    );

    const expected = [mine, sameAgent].map(({ sessionId }) => sessionId).toSorted();
    expect(result.map(({ sessionId }) => sessionId).toSorted()).toEqual(expected);
    expect(listed.map(({ id }) => id).toSorted()).toEqual(expected);
  });

  test.each([
    ["no", undefined],
    ["an empty", ""],
  ])("names no user agent if it lives in %s one", async (_name, agentId) => {
    const { sessionToken } = await signIn({ agentId });
    await server.given.session({ userId: "zoe", agentFingerprintId: "" });

    expect((await auth.listMyUserSessions({}, bearing(sessionToken))).result).toEqual([]);
    expect((await sessions.listSessions({}, bearing(sessionToken))).sessions).toHaveLength(1);
    const query = { case: "userAgentQuery" as const, value: {} };
    const failure = await failureOf(sessions.listSessions({ queries: [{ query }] }, bearing(sessionToken)));
    expect(failure).toMatchObject({ code: Code.InvalidArgument, id: "GRPC-x8n23uh" });
  });

  test("carries no permission", async () => {
    const { sessionId, sessionToken } = await signIn();
    const other = await signIn();
    const caller = bearing(sessionToken);
    const metadata = { key: Buffer.from("value") };

    expect(await failureOf(sessions.createSession({}, caller))).toMatchObject({ id: "AUTH-AWfge" });
    expect(await failureOf(sessions.setSession({ sessionId, metadata }, caller))).toMatchObject({ id: "AUTH-AWfge" });
    for (const call of [sessions.getSession, sessions.setSession]) {
      expect(await failureOf(call({ sessionId: other.sessionId }, caller))).toMatchObject({ id: "QUERY-SFeaa" });
    }
    expect(await failureOf(sessions.deleteSession({ sessionId: other.sessionId }, caller))).toMatchObject({
      id: "AUTH-AWfge",
    });
  });

  test("ends the sessions of its user, and then nothing more", async () => {
    const { sessionId, sessionToken, userId } = await signIn();
    const other = await signIn({ userId });

    await sessions.deleteSession({ sessionId: other.sessionId }, bearing(sessionToken));
    await sessions.deleteSession({ sessionId }, bearing(sessionToken));

    const row = await db.select().from(table).where(eq(table.id, sessionId));
    expect(row).toMatchObject([{ endReason: "revoked_by_user", endedBy: userId }]);
    expect(await listFails(sessionToken)).toEqual(refusal);
  });

  test("is void once it was rotated, and the new one is good", async () => {
    const { sessionId, sessionToken } = await signIn();

    const next = await rotate(sessionId);

    expect(await listFails(sessionToken)).toEqual(refusal);
    expect((await sessions.listSessions({}, bearing(next))).sessions).toHaveLength(1);
  });
});

describe("a session token is no bearer", () => {
  test("without a factor beyond the user", async () => {
    const { sessionToken } = await signIn({ hasFactor: false });

    expect(await listFails(sessionToken)).toEqual(refusal);
  });

  test.each<[string, Partial<Session>]>([
    ["once it has expired", { expiresAt: now }],
    ["once it was ended", { endedAt: now }],
    ["without a user", { userId: null, organizationId: null, userCheckedAt: null, passwordCheckedAt: null }],
    ["in another instance", { instanceId: randomUUID() }],
  ])("%s", async (_name, changes) => {
    const { sessionId, sessionToken } = await signIn();
    await db.update(table).set(changes).where(eq(table.id, sessionId));

    expect(await listFails(sessionToken)).toEqual(refusal);
  });

  test.each(["inactive", "deleted"] as const)("of a user who is %s", async (state) => {
    const { userId, sessionToken } = await signIn();
    await db.update(users).set({ state }).where(eq(users.id, userId));

    expect(await listFails(sessionToken)).toEqual(refusal);
  });
});

describe("any one factor beyond the user makes a session token a bearer", () => {
  test.each(["password", "webAuthN", "intent", "totp", "otpSms", "otpEmail", "recoveryCode"] as const)(
    "%s",
    async (factor) => {
      const { sessionId, sessionToken } = await signIn({ hasFactor: false });
      const webAuthN = factor === "webAuthN" ? { webAuthNUserVerified: false } : {};
      await db
        .update(table)
        .set({ [`${factor}CheckedAt`]: now, ...webAuthN })
        .where(eq(table.id, sessionId));

      expect((await sessions.listSessions({}, bearing(sessionToken))).sessions).toHaveLength(1);
    },
  );
});

const refusal = { code: Code.Unauthenticated, message: "Errors.Token.Invalid (AUTH-7fs1e)", id: "AUTH-7fs1e" };

async function listFails(token: string) {
  return await failureOf(sessions.listSessions({}, bearing(token)));
}

function bearing(token: string) {
  return { headers: { authorization: `Bearer ${token}` } };
}
