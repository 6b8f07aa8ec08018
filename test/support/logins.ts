import type { CallOptions } from "@connectrpc/connect";
import type { Verifier } from "../../src/verifier.ts";
import { as, createClients } from "../zitadel/clients.ts";
import type { TestServer } from "./server.ts";

/** A verifier to which every password is right, and every code. */
export const credulous: Verifier = {
  check: async () => ({ verified: true, userVerified: false }),
  challenge: async () => ({ challenge: {} }),
};

/** A session that somebody has signed in to. */
export interface Login {
  userId: string;
  sessionId: string;
  sessionToken: string;
}

/** What a login service does, as the user `login` with every permission. */
export async function createLogins(server: TestServer) {
  const { sessions } = createClients(server);
  const options: CallOptions = await as(server, {
    sub: "login",
    scope: "session.read session.write session.delete",
  });
  return {
    options,

    /** Opens a session of a new user's; with a password unless the test wants none. */
    async signIn(more: { agentId?: string; userId?: string; hasFactor?: boolean } = {}): Promise<Login> {
      const userId = more.userId ?? (await server.given.user()).id;
      const user = { search: { case: "userId" as const, value: userId } };
      const checks = more.hasFactor === false ? { user } : { user, password: { password: "a password" } };
      const userAgent = more.agentId === undefined ? undefined : { fingerprintId: more.agentId };
      const { sessionId, sessionToken } = await sessions.createSession({ checks, userAgent }, options);
      return { userId, sessionId, sessionToken };
    },

    /** Changes a session, and returns its new token. */
    async rotate(sessionId: string): Promise<string> {
      const metadata = { turn: Buffer.from(crypto.randomUUID()) };
      return (await sessions.setSession({ sessionId, metadata }, options)).sessionToken;
    },
  };
}
