import { randomUUID } from "node:crypto";
import { toJson } from "@bufbuild/protobuf";
import type { JWTPayload } from "jose";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { SessionSchema, SessionState } from "../../gen/zitadel/user/v1/session_pb.ts";
import type { NewSession } from "../../src/sessions/schema.ts";
import { openTestDatabase } from "../support/database.ts";
import { createGiven, hour, minute, now, second } from "../support/given.ts";
import { startTestServer } from "../support/server.ts";
import { as, createClients } from "./clients.ts";

const database = openTestDatabase();
// A time of our own: what is live is a matter of a microsecond.
const server = await startTestServer({ directory: { database, now: () => now } });
afterAll(async () => {
  await server.close();
  await database.close();
});
const { auth } = createClients(server);
const { given } = server;

// A user agent of its own for every test.
let agentId: string;
beforeEach(() => {
  agentId = randomUUID();
});

describe("ListMyUserSessions, which session stands for a user", () => {
  const live = {};
  const ended = { endedAt: now - minute };
  const expired = { expiresAt: now - minute };

  test.each<[string, Partial<NewSession>[], number, SessionState]>([
    ["a live one", [live], 0, SessionState.ACTIVE],
    ["an ended one, if there is no other", [ended], 0, SessionState.TERMINATED],
    ["an expired one, if there is no other", [expired], 0, SessionState.TERMINATED],
    ["one that is both, if there is no other", [{ ...ended, ...expired }], 0, SessionState.TERMINATED],
    ["one that expires in a microsecond is live", [{ expiresAt: now + 1n }], 0, SessionState.ACTIVE],
    ["one that expires now has expired", [{ expiresAt: now }], 0, SessionState.TERMINATED],
    [
      "one that was ended is not live, however late it expires",
      [{ ...ended, expiresAt: now + hour }],
      0,
      SessionState.TERMINATED,
    ],
    ["the live one before newer ended ones", [live, ended, ended], 0, SessionState.ACTIVE],
    ["the live one before newer expired ones", [expired, live, expired], 1, SessionState.ACTIVE],
    ["the newest of several live ones", [live, live, ended], 1, SessionState.ACTIVE],
    ["the newest of several that are over", [expired, ended, expired], 2, SessionState.TERMINATED],
    ["the one created last, not the one changed last", [{ changedAt: now }, live], 1, SessionState.ACTIVE],
  ])("%s", async (_rule, rows, chosen, authState) => {
    const ids = await givenSessions(rows);

    expect(await list()).toEqual([{ sessionId: ids[chosen], userId: "ann", authState }]);
  });

  test("of two that were created together the one with the higher id", async () => {
    const ids = [`${agentId}-a`, `${agentId}-c`, `${agentId}-b`];
    for (const id of ids) await given.session({ id, userId: "ann", agentFingerprintId: agentId });

    expect((await list()).map(({ sessionId }) => sessionId)).toEqual([`${agentId}-c`]);
  });
});

describe("ListMyUserSessions, which users are listed", () => {
  test("one entry for each user of the agent, whoever asks", async () => {
    for (const userId of ["ann", "bob", "ann"]) await given.session({ userId, agentFingerprintId: agentId });

    expect((await list({ sub: "stranger" })).map(({ userId }) => userId).toSorted()).toEqual(["ann", "bob"]);
  });

  test("nobody, if the agent has no session", async () => {
    expect(await list()).toEqual([]);
  });

  test("nobody for a session without a checked user", async () => {
    await given.session({ agentFingerprintId: agentId, creatorId: "somebody" });

    expect(await list()).toEqual([]);
  });

  test("nobody of another agent, of another instance or without an agent, though it is the caller", async () => {
    const elsewhere = createGiven(server.database, randomUUID());
    await given.session({ userId: "ann", agentFingerprintId: `${agentId}-other` });
    await given.session({ userId: "ann", agentFingerprintId: agentId.toUpperCase() });
    await given.session({ userId: "ann", creatorId: "ann" });
    await given.session({ userId: "ann", agentFingerprintId: "" });
    await elsewhere.session({ userId: "ann", agentFingerprintId: agentId });

    expect(await list({ sub: "ann" })).toEqual([]);
  });

  test("session.read shows no other agent", async () => {
    await given.session({ userId: "ann", agentFingerprintId: `${agentId}-other` });

    expect(await list({ scope: "session.read" })).toEqual([]);
  });
});

describe("ListMyUserSessions, order", () => {
  test("live ones first, then the most recently changed, then the higher session id", async () => {
    const agentFingerprintId = agentId;
    await given.session({ userId: "over-new", agentFingerprintId, changedAt: now, endedAt: now });
    await given.session({ userId: "over-old", agentFingerprintId, changedAt: now - hour, expiresAt: now - minute });
    await given.session({ userId: "live-old", agentFingerprintId, changedAt: now - 2n * hour });
    await given.session({
      userId: "live-new",
      agentFingerprintId,
      changedAt: now - second,
      createdAt: now - 5n * hour,
    });
    await given.session({ userId: "tie-a", id: `${agentId}-a`, agentFingerprintId, changedAt: now - minute });
    await given.session({ userId: "tie-b", id: `${agentId}-b`, agentFingerprintId, changedAt: now - minute });

    const userIds = (await list()).map(({ userId }) => userId);

    expect(userIds).toEqual(["live-new", "tie-b", "tie-a", "live-old", "over-new", "over-old"]);
  });

  test("the first 1000 users are listed, live ones before all", async () => {
    const crowd = Array.from({ length: 1_001 }, (_, i) => ({ userId: `user-${i}`, endedAt: i === 500 ? null : now }));
    await Promise.all(crowd.map((session) => given.session({ ...session, agentFingerprintId: agentId })));

    const entries = await list();

    expect(entries).toHaveLength(1_000);
    expect(entries[0]).toMatchObject({ userId: "user-500", authState: SessionState.ACTIVE });
  });
});

describe("ListMyUserSessions, fields", () => {
  test("tell the session, the user as they are now and the user's organization", async () => {
    const user = await given.user({ id: randomUUID(), organizationId: "org-now", avatarUrl: "https://cdn/ann.png" });
    const session = await given.session({
      userId: user.id,
      organizationId: "org-then",
      agentFingerprintId: agentId,
      createdAt: now - hour,
      changedAt: now - 1n,
    });

    expect(await listJson()).toEqual([
      {
        sessionId: session.id,
        agentId,
        authState: "SESSION_STATE_ACTIVE",
        userId: user.id,
        userName: user.userName,
        loginName: user.loginName,
        displayName: user.displayName,
        avatarUrl: "https://cdn/ann.png",
        details: {
          sequence: String(session.sequence),
          creationDate: "2026-03-01T11:00:00.123456Z",
          changeDate: "2026-03-01T12:00:00.123455Z",
          resourceOwner: "org-now",
        },
      },
    ]);
  });

  test("of an unknown user leave the names empty, and tell the organization of the sign-in", async () => {
    await given.session({ userId: "unknown", organizationId: "org-then", agentFingerprintId: agentId });

    expect(await listJson()).toEqual([
      {
        sessionId: expect.any(String),
        agentId,
        authState: "SESSION_STATE_ACTIVE",
        userId: "unknown",
        details: expect.objectContaining({ resourceOwner: "org-then" }),
      },
    ]);
  });

  test("of a user are never those of the same id in another instance", async () => {
    const user = await createGiven(server.database, randomUUID()).user();
    await given.session({ userId: user.id, agentFingerprintId: agentId });

    expect((await listJson())[0]).not.toHaveProperty("loginName");
  });
});

/** Sessions of Ann in the user agent of the test, from the oldest to the newest. */
async function givenSessions(rows: Partial<NewSession>[]): Promise<string[]> {
  const ids: string[] = [];
  for (const [i, row] of rows.entries()) {
    const createdAt = now - hour + BigInt(i) * second;
    ids.push((await given.session({ userId: "ann", agentFingerprintId: agentId, createdAt, ...row })).id);
  }
  return ids;
}

async function list(claims: JWTPayload = {}) {
  const caller = { sub: "somebody", agent_id: agentId, ...claims };
  const { result } = await auth.listMyUserSessions({}, await as(server, caller));
  return result.map(({ sessionId, userId, authState }) => ({ sessionId, userId, authState }));
}

async function listJson() {
  const { result } = await auth.listMyUserSessions({}, await as(server, { agent_id: agentId }));
  return result.map((session) => toJson(SessionSchema, session));
}
