import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type CallOptions, ConnectError } from "@connectrpc/connect";
import { type Instant, instantOf, splitInstant } from "../../src/sessions/instant.ts";
import type { TestServer } from "../support/server.ts";
import { as, createClients } from "../zitadel/clients.ts";
import type { Answer, Asks, Change, State } from "./history.ts";

/** Asks the servers of one instance, each of which has one of these clocks, in turns. */
export async function createRequests(servers: readonly [TestServer, TestServer], clocks: readonly [Instant, Instant]) {
  const login: CallOptions = await as(servers[0], { sub: "login", scope: "session.read session.write session.delete" });
  const stranger: CallOptions = await as(servers[0], { sub: "stranger" });
  const clients = servers.map((server) => createClients(server).sessions);

  function clientOf(i: number) {
    const client = clients[i % 2];
    if (client === undefined) throw new Error("there are two servers");
    return client;
  }

  function clockOf(i: number): Instant {
    return i % 2 === 0 ? clocks[0] : clocks[1];
  }

  async function create(): Promise<State> {
    const { sessionId: id, sessionToken: token, details } = await clientOf(0).createSession({}, login);
    const { sequence = 0n, changeDate } = details ?? {};
    const changedAt = toInstant(changeDate) ?? 0n;
    return { id, sequence, changedAt, metadata: {}, expiresAt: undefined, userId: undefined, isEnded: false, token };
  }

  async function ask(session: { id: string }, server: number, asks: Asks): Promise<Answer> {
    if (asks === "get") return await get(session, server);
    return await (asks === "end" ? end(session, server) : set(session, server, asks));
  }

  async function set({ id }: { id: string }, i: number, change: Change): Promise<Answer> {
    const request = {
      sessionId: id,
      metadata: Object.fromEntries(Object.entries(change.metadata).map(([key, value]) => [key, Buffer.from(value)])),
      lifetime: change.lifetime === undefined ? undefined : splitInstant(change.lifetime),
      checks: change.userId ? { user: { search: { case: "userId" as const, value: change.userId } } } : undefined,
    };
    return await failureOr(async () => {
      const { details, sessionToken: token } = await clientOf(i).setSession(request, login);
      const { sequence = 0n, changeDate } = details ?? {};
      const changedAt = toInstant(changeDate) ?? 0n;
      return token ? { sequence, changedAt, token, change, clocks: [clockOf(i)] } : { sequence };
    });
  }

  /** Ends a session: by its token if one is given, which everybody may do. */
  async function end({ id }: { id: string }, i: number, sessionToken?: string): Promise<Answer> {
    return await failureOr(async () => {
      const caller = sessionToken === undefined ? login : stranger;
      const { details } = await clientOf(i).deleteSession({ sessionId: id, sessionToken }, caller);
      const { sequence = 0n, changeDate } = details ?? {};
      return { sequence, changedAt: toInstant(changeDate) ?? 0n, token: "", change: undefined, clocks };
    });
  }

  async function get({ id }: { id: string }, i: number, sessionToken?: string): Promise<Answer> {
    return await failureOr(async () => {
      const caller = sessionToken === undefined ? login : stranger;
      const { session } = await clientOf(i).getSession({ sessionId: id, sessionToken }, caller);
      const metadata = Object.entries(session?.metadata ?? {}).map(([key, value]) => [
        key,
        Buffer.from(value).toString(),
      ]);
      return {
        id: session?.id ?? "",
        sequence: session?.sequence ?? 0n,
        changedAt: toInstant(session?.changeDate) ?? 0n,
        metadata: Object.fromEntries(metadata),
        expiresAt: toInstant(session?.expirationDate),
        userId: session?.factors?.user?.id,
      };
    });
  }

  return { create, set, end, get, ask };
}

async function failureOr(answer: () => Promise<Answer>): Promise<Answer> {
  return await answer().catch((error) => ConnectError.from(error).rawMessage);
}

function toInstant(timestamp: Timestamp | undefined): Instant | undefined {
  return timestamp && instantOf(timestamp.seconds, timestamp.nanos);
}
