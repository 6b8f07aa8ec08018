import { type Authenticate, createAuthenticate } from "../../src/auth/authenticate.ts";
import { type AuthenticateHolder, createAuthenticateHolder } from "../../src/auth/holder.ts";
import { createIssuer } from "../../src/auth/issuer.ts";
import { createVerifyJwt } from "../../src/auth/jwt.ts";
import { type Instant, instantOfMs } from "../../src/sessions/instant.ts";
import { createVerifier } from "../../src/verifier.ts";
import { openTestDatabase } from "./database.ts";
import { audience } from "./issuer.ts";
import { cookieName, startTestServer, type TestServer } from "./server.ts";
import type { TestVerifier } from "./verifier.ts";

/** The clock of a server: the real one, and what a test let pass. */
export interface Clock {
  now(): Instant;
  /** Lets time pass, in microseconds. Tokens of the issuer last an hour of it. */
  pass(time: Instant): void;
}

/** A test server with a clock of its own, which all that it does goes by, and a verifier if there is one. */
export async function startClockServer(
  verifier?: Pick<TestVerifier, "url" | "secret">,
): Promise<TestServer & { clock: Clock }> {
  const clock = createClock();
  const { now } = clock;
  const database = openTestDatabase();
  const auth = Promise.withResolvers<{ caller: Authenticate; holder: AuthenticateHolder }>();
  const server = await startTestServer({
    directory: { database, now },
    // Made below: they need what the server mints.
    authenticate: async (headers, signal) => (await auth.promise).caller(headers, signal),
    authenticateHolder: async (headers, signal) => (await auth.promise).holder(headers, signal),
    // Not by this clock: the verifier has the real one.
    verifier: verifier && createVerifier({ ...verifier, now: () => instantOfMs(Date.now()) }),
  });
  const { instanceId, issuer } = server;
  const verifyJwt = createVerifyJwt({ issuer: createIssuer(issuer.url, { cooldownMs: 0 }), audience, now });
  const options = { instanceId, cookieName, verifyJwt, database, now };
  auth.resolve({ caller: createAuthenticate(options), holder: createAuthenticateHolder(options) });
  const close = async () => {
    await server.close();
    await database.close();
  };
  return { ...server, clock, close };
}

function createClock(): Clock {
  let passed: Instant = 0n;
  return {
    now: () => instantOfMs(Date.now()) + passed,
    pass(time) {
      passed += time;
    },
  };
}
