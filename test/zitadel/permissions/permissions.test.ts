import { randomUUID } from "node:crypto";
import { type CallOptions, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { eq } from "drizzle-orm";
import { afterAll, describe, expect, test } from "vitest";
import { hashToken } from "../../../src/auth/token.ts";
import { type Session, sessions as table } from "../../../src/sessions/schema.ts";
import { startTestServer } from "../../support/server.ts";
import { as, createClients } from "../clients.ts";
import { callers, kinds, type NamedRights, nameOf, roleHolders, roles } from "./callers.ts";
import { givenSessions, type NamedSession, readAgain } from "./given-sessions.ts";
import { createRule, isVisible, type Kind, rules } from "./rules.ts";

const server = await startTestServer();
afterAll(() => server.close());
const clients = createClients(server);

const metadata = { by: Buffer.from("them") };
// What a write does to any row; the rest must stay as it was.
const written = { changedAt: expect.any(BigInt), sequence: expect.any(BigInt) };

test("every role is among the callers", () => {
  const names = roleHolders.map(({ name }) => name).join();

  for (const role of Object.keys(roles)) expect(names).toContain(role);
});

// Both versions are the same methods behind two names: the second one proves that with the roles.
describe.each([
  ["v2", clients.sessions, callers],
  // Safe: its messages are the same but for what is not used here.
  ["v2beta", clients.sessionsBeta as unknown as typeof clients.sessions, roleHolders],
])("%s", (_version, client, callers) => {
  test.each(callers)("ListSessions shows what may be seen: $name", async (rights) => {
    const { options, named } = await givenCaller(rights);
    const ids = named.map(({ id }) => id);

    const query = { case: "idsQuery" as const, value: { ids } };
    const response = await client.listSessions({ queries: [{ query }] }, options);

    const expected = named.filter(({ kind }) => isVisible(rights, kind)).map(({ id }) => id);
    expect(response.sessions.map(({ id }) => id).toSorted()).toEqual(expected.toSorted());
    expect(response.details?.totalResult).toBe(BigInt(expected.length));
  });

  test.each(callers)("GetSession returns what may be seen: $name", async (rights) => {
    const { options, named } = await givenCaller(rights);

    const answers = await callForAll(named, ({ id }) => client.getSession({ sessionId: id }, options));

    expect(outcomesOf(answers)).toEqual(expectedOf(named, (kind) => rules.getSession(rights, kind)));
    for (const { id, answer } of answers) if (answer) expect(answer.session?.id).toBe(id);
    expect(await readAgain(server, named)).toEqual(named);
  });

  test.each(callers)("SetSession changes what may be written and nothing else: $name", async (rights) => {
    const { options, named } = await givenCaller(rights);

    const answers = await callForAll(named, ({ id }) => client.setSession({ sessionId: id, metadata }, options));

    expect(outcomesOf(answers)).toEqual(expectedOf(named, (kind) => rules.setSession(rights, kind)));
    const expected = answers.map(({ row, answer }) => {
      const changes = { ...written, metadata: { by: btoa("them") }, tokenHash: hashToken(answer?.sessionToken ?? "") };
      return answer ? { ...row, ...changes } : row;
    });
    expect(rowsOf(await readAgain(server, named))).toEqual(expected);
  });

  test.each(callers)("DeleteSession ends what may be ended and nothing else: $name", async (rights) => {
    const { options, named, userId } = await givenCaller(rights);

    const answers = await callForAll(named, ({ id }) => client.deleteSession({ sessionId: id }, options));

    expect(outcomesOf(answers)).toEqual(expectedOf(named, (kind) => rules.deleteSession(rights, kind)));
    const after = rowsOf(await readAgain(server, named));
    const expected = answers.map(({ row, kind, answer }) => {
      if (!answer || kind.where !== "here" || kind.state === "ended") return row;
      const endReason = kind.user === "themselves" ? "revoked_by_user" : "revoked_by_admin";
      return { ...row, ...written, endedAt: expect.any(BigInt), endReason, endedBy: userId };
    });
    expect(after).toEqual(expected);
    // Of what is not in this instance nothing is told, though it be in another one.
    const known = named.map(({ kind }, i) => (kind.where === "here" ? (after[i]?.sequence ?? 0n) : 0n));
    answers.forEach(({ answer }, i) => {
      if (answer) expect(answer.details).toMatchObject({ resourceOwner: server.instanceId, sequence: known[i] });
    });
  });

  test.each(callers)("CreateSession takes session.write on the instance: $name", async (rights) => {
    const { options, userId } = await givenCaller(rights);
    const isTheirs = eq(table.creatorId, userId);
    const before = await server.database.db.$count(table, isTheirs);

    const outcome = await outcomeOf(client.createSession({}, options));

    expect(outcome).toBe(createRule(rights));
    const added = (await server.database.db.$count(table, isTheirs)) - before;
    expect(added).toBe(outcome === "granted" ? 1 : 0);
  });

  test.each(callers)("who may not write learns nothing of users: $name", async (rights) => {
    const { options, named } = await givenCaller(rights);
    const checks = { user: { search: { case: "userId" as const, value: "unknown" } } };

    const answers = await callForAll(named, ({ id }) => client.setSession({ sessionId: id, checks }, options));
    const created = await outcomeOf(client.createSession({ checks }, options));

    expect(outcomesOf(answers)).toEqual(expectedOf(named, (kind) => rules.nameUnknownUser(rights, kind)));
    const mayOpen = createRule(rights) === "granted";
    expect(created).toBe(mayOpen ? "not_found: the user does not exist" : createRule(rights));
  });
});

/** A new caller, and a session of every kind that no other caller has to do with. */
async function givenCaller({ scope }: NamedRights) {
  const who = { userId: randomUUID(), agentId: randomUUID() };
  const options: CallOptions = await as(server, { sub: who.userId, agent_id: who.agentId, scope });
  return { ...who, options, named: await givenSessions(server, who, kinds) };
}

/** Makes a call about each session; `answer` is undefined where it failed. */
async function callForAll<T>(named: readonly NamedSession[], call: (one: NamedSession) => Promise<T>) {
  return await Promise.all(
    named.map(async (one) => {
      const answering = call(one);
      const outcome = await outcomeOf(answering);
      return { ...one, outcome, answer: outcome === "granted" ? await answering : undefined };
    }),
  );
}

async function outcomeOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(() => undefined, ConnectError.from);
  return error === undefined ? "granted" : `${codeToString(error.code)}: ${error.rawMessage}`;
}

function outcomesOf(answers: readonly (NamedSession & { outcome: string })[]): Record<string, string> {
  return Object.fromEntries(answers.map(({ kind, outcome }) => [nameOf(kind), outcome]));
}

function expectedOf(named: readonly NamedSession[], rule: (kind: Kind) => string): Record<string, string> {
  return Object.fromEntries(named.map(({ kind }) => [nameOf(kind), rule(kind)]));
}

function rowsOf(named: readonly NamedSession[]): (Session | undefined)[] {
  return named.map(({ row }) => row);
}
