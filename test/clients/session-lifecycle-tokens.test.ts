import { randomUUID } from "node:crypto";
import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, describe, expect, test } from "vitest";
import { createSessionToken } from "../../src/auth/token.ts";
import { startClockServer } from "../support/clock-server.ts";
import { second } from "../support/given.ts";
import { at, openImporter, toText } from "../support/imports.ts";
import { startTestVerifier } from "../support/verifier.ts";
import type { Rpc } from "./client.ts";
import { createCaller, failureWith, lifecycleClients, login } from "./lifecycle.ts";
import { createFrontend, failureOf, idsOf } from "./ory-kratos.ts";

const verifier = await startTestVerifier();
const server = await startClockServer(verifier);
const importer = await openImporter();
afterAll(async () => {
  await importer.close();
  await server.close();
  await verifier.close();
});
const kratos = createFrontend(server);

const unauthenticated = failureWith(16, "Errors.Token.Invalid", "AUTH-7fs1e");
const listSessions = "zitadel.session.v2.SessionService/ListSessions";
const listMyUserSessions = "zitadel.auth.v1.AuthService/ListMyUserSessions";

describe.each(lifecycleClients)("one token for both dialects, by $name", (kind) => {
  const client = kind.open(server.url);
  afterAll(() => client.close());
  const asLogin = async () => createCaller(client, await server.issuer.token(login));
  const bearing = (token: string) => createCaller(client, token);

  test("one of CreateSession opens the session in Kratos's dialect", async () => {
    const { userId, sessionId, sessionToken: xSessionToken } = await signIn();
    const other = await signIn({ userId });

    const { data } = await kratos.toSession({ xSessionToken });

    expect(data).toMatchObject({ id: sessionId, active: true, identity: { id: userId } });
    expect(idsOf(await kratos.listMySessions({ xSessionToken }))).toEqual([other.sessionId]);
    expect((await bearing(xSessionToken).get(sessionId)).id).toBe(sessionId);
  });

  test("one of a session without a factor is too little in either", async () => {
    const { id: userId } = await server.given.user();
    const { sessionId, sessionToken } = await (await asLogin()).create({ checks: { user: { userId } } });

    for (const call of callKratos(sessionToken)) {
      expect(await failureOf(call)).toMatchObject({ status: 403, error: { id: "session_aal2_required" } });
    }
    expect(await bearing(sessionToken).failure("GetSession", { sessionId })).toEqual(unauthenticated);
  });

  test("one that SetSession replaced is refused in either, the new one is good", async () => {
    const { sessionId, sessionToken } = await signIn();

    const { sessionToken: next } = await (await asLogin()).set(sessionId, { lifetime: "60s" });

    await expectRefused(sessionId, sessionToken);
    await expectGood(sessionId, next);
  });

  test("one that SetSession left alone stays good in either", async () => {
    const { sessionId, sessionToken } = await signIn();

    await (await asLogin()).set(sessionId, {});

    await expectGood(sessionId, sessionToken);
  });

  test("one is refused in either after DeleteSession", async () => {
    const { sessionId, sessionToken } = await signIn();
    await expectGood(sessionId, sessionToken);

    await bearing(sessionToken).end(sessionId);

    await expectRefused(sessionId, sessionToken);
  });

  test("one is refused in either after the session was ended in Kratos's", async () => {
    const { userId, sessionId, sessionToken } = await signIn();
    const other = await signIn({ userId });

    await kratos.disableMySession({ id: sessionId, xSessionToken: other.sessionToken });

    await expectRefused(sessionId, sessionToken);
  });

  test("one is refused in either after the session's expiration", async () => {
    const { sessionId, sessionToken } = await signIn({ lifetime: "60s" });
    await expectGood(sessionId, sessionToken);

    server.clock.pass(60n * second);

    await expectRefused(sessionId, sessionToken);
  });

  test("one is refused in either as soon as its user is disabled", async () => {
    const { userId, sessionId, sessionToken } = await signIn();
    await expectGood(sessionId, sessionToken);

    await store({ user: { ...userOf(userId), state: "inactive" } });

    await expectRefused(sessionId, sessionToken);
  });

  describe("an imported one, ory_st_…,", () => {
    test("lists the user's own sessions, and those of the user agent", async () => {
      const { userId, agentId, mine, neighbour } = await givenAgent();
      const elsewhere = await signIn({ userId });
      await signIn();

      expect(await idsListed(mine.token, {})).toEqual([mine.id, neighbour.id, elsewhere.sessionId].sort());
      const [own, agent] = [{ userIdQuery: { id: userId } }, { userAgentQuery: { fingerprintId: agentId } }];
      expect(await idsListed(mine.token, { queries: [own] })).toEqual([mine.id, elsewhere.sessionId].sort());
      expect(await idsListed(mine.token, { queries: [agent] })).toEqual([mine.id, neighbour.id].sort());
    });

    test("names the session's own agent where a query names none", async () => {
      const { mine, neighbour } = await givenAgent();

      expect(await idsListed(mine.token, { queries: [{ userAgentQuery: {} }] })).toEqual(
        [mine.id, neighbour.id].sort(),
      );
    });

    // Zitadel knows no agent of a session's token, and its switcher is empty.
    test("gives the switcher every account of the agent", async () => {
      const { mine, neighbour, agentId } = await givenAgent();

      const { result } = await answerOf(listMyUserSessions, {}, mine.token);

      const accounts = [mine, neighbour].map(({ id: sessionId }) => expect.objectContaining({ sessionId, agentId }));
      expect(result).toHaveLength(2);
      expect(result).toEqual(expect.arrayContaining(accounts));
    });

    test("opens the session in Kratos's dialect", async () => {
      const { mine } = await givenAgent();

      expect((await kratos.toSession({ xSessionToken: mine.token })).data.id).toBe(mine.id);
    });
  });

  async function signIn({ userId, ...request }: { userId?: string; lifetime?: string } = {}) {
    const id = userId ?? (await server.given.user()).id;
    const checks = { user: { userId: id }, password: { password: "right" } };
    return { userId: id, ...(await (await asLogin()).create({ checks, ...request })) };
  }

  async function expectGood(sessionId: string, token: string): Promise<void> {
    expect((await kratos.toSession({ xSessionToken: token })).data.id).toBe(sessionId);
    expect((await bearing(token).get(sessionId)).id).toBe(sessionId);
  }

  async function expectRefused(sessionId: string, token: string): Promise<void> {
    for (const call of callKratos(token)) expect(await failureOf(call)).toMatchObject({ status: 401 });
    expect(await bearing(token).failure("GetSession", { sessionId })).toEqual(unauthenticated);
  }

  /** Two users with a session each in one agent, as they come from another system. */
  async function givenAgent() {
    const [userId, otherId, agentId] = [randomUUID(), randomUUID(), randomUUID()];
    const mine = { id: randomUUID(), token: createSessionToken() };
    const neighbour = { id: randomUUID(), token: createSessionToken() };
    await store({ session: toRecord(mine, userId, agentId) });
    await store({ session: toRecord(neighbour, otherId, agentId) });
    return { userId, agentId, mine, neighbour };
  }

  async function idsListed(token: string, request: JsonObject): Promise<string[]> {
    const { sessions } = await answerOf(listSessions, request, token);
    if (!Array.isArray(sessions)) throw new Error("nothing was listed");
    return sessions.map((session) => String(Object(session).id)).sort();
  }

  async function answerOf(rpc: Rpc, request: JsonObject, token: string): Promise<JsonObject> {
    const outcome = await client.call(rpc, request, token);
    if ("failure" in outcome) throw new Error(JSON.stringify(outcome.failure));
    return outcome.answer;
  }
});

function* callKratos(xSessionToken: string): Iterable<Promise<unknown>> {
  yield kratos.toSession({ xSessionToken });
  yield kratos.listMySessions({ xSessionToken });
}

async function store(record: JsonObject): Promise<void> {
  const { stderr } = await importer.fromStdin(toText([{ instanceId: server.instanceId, ...record }]));
  expect(stderr).toBe("");
}

function userOf(id: string): JsonObject {
  return { id, organizationId: "org-1", userName: id, loginName: `${id}@example.com`, displayName: id };
}

function toRecord(session: { id: string; token: string }, userId: string, fingerprintId: string): JsonObject {
  const user = { id: userId, organizationId: "org-1", verifiedAt: at, loginName: `${userId}@example.com` };
  return {
    ...session,
    creationDate: at,
    factors: { user, password: { verifiedAt: at } },
    userAgent: { fingerprintId },
  };
}
