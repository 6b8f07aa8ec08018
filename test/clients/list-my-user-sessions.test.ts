import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, test } from "vitest";
import { printInstant } from "../../src/sessions/instant.ts";
import type { NewSession, Session, User } from "../../src/sessions/schema.ts";
import { hour, minute, now } from "../support/given.ts";
import { startTestServer } from "../support/server.ts";
import { clients } from "./clients.ts";

const rpc = "zitadel.auth.v1.AuthService/ListMyUserSessions";
const ended = { endedAt: now, endReason: "logout" };
const expired = { expiresAt: now };

const server = await startTestServer();
afterAll(() => server.close());

describe.each(clients)("ListMyUserSessions by $name", (kind) => {
  const client = kind.open(server.url);
  afterAll(() => client.close());

  test("lists every account of the caller's agent, the live one first, then the most recently changed", async () => {
    const agentId = randomUUID();
    const live = await givenAccount(agentId, { createdAt: now - hour });
    const expiredOne = await givenAccount(agentId, { createdAt: now - 2n * minute, ...expired });
    const endedOne = await givenAccount(agentId, { createdAt: now - minute, ...ended });
    await givenAccount(randomUUID());

    const outcome = await client.call(rpc, {}, await callerAt(agentId));

    const result = [
      toAccount(live, "SESSION_STATE_ACTIVE"),
      toAccount(endedOne, "SESSION_STATE_TERMINATED"),
      toAccount(expiredOne, "SESSION_STATE_TERMINATED"),
    ];
    expect(outcome).toEqual({ answer: { result } });
  });

  test("several sessions of a user in the agent are one account, told by the live one", async () => {
    const agentId = randomUUID();
    const { user, session } = await givenAccount(agentId, { createdAt: now - hour });
    await server.given.session({ userId: user.id, agentFingerprintId: agentId, createdAt: now - minute, ...ended });

    const outcome = await client.call(rpc, {}, await callerAt(agentId));

    expect(outcome).toEqual({ answer: { result: [toAccount({ user, session }, "SESSION_STATE_ACTIVE")] } });
  });

  test("an agent without accounts has none", async () => {
    expect(await client.call(rpc, {}, await callerAt(randomUUID()))).toEqual({ answer: {} });
  });

  test("a caller without an agent gets nothing, not even their own session or one without an agent", async () => {
    const { user } = await givenAccount(randomUUID());
    await server.given.session({ userId: user.id });

    expect(await client.call(rpc, {}, await server.issuer.token({ sub: user.id }))).toEqual({ answer: {} });
  });
});

interface Account {
  user: User;
  session: Session;
}

async function givenAccount(agentId: string, session: Partial<NewSession> = {}): Promise<Account> {
  const user = await server.given.user({ avatarUrl: "https://example.com/avatar.png" });
  return { user, session: await server.given.session({ userId: user.id, agentFingerprintId: agentId, ...session }) };
}

function callerAt(agentId: string): Promise<string> {
  return server.issuer.token({ sub: "somebody", agent_id: agentId });
}

function toAccount({ user, session }: Account, authState: string) {
  return {
    sessionId: session.id,
    agentId: session.agentFingerprintId,
    authState,
    userId: user.id,
    userName: user.userName,
    loginName: user.loginName,
    displayName: user.displayName,
    avatarUrl: "https://example.com/avatar.png",
    details: {
      sequence: String(session.sequence),
      creationDate: printInstant(session.createdAt),
      changeDate: printInstant(session.createdAt),
      resourceOwner: "org-1",
    },
  };
}
