import { type Authenticate, createAuthenticate } from "../../src/auth/authenticate.ts";
import { createIssuer } from "../../src/auth/issuer.ts";
import { createVerifyJwt } from "../../src/auth/jwt.ts";
import { type Instant, instantOfMs } from "../../src/sessions/instant.ts";
import { openTestDatabase } from "./database.ts";
import { audience } from "./issuer.ts";
import { startTestServer, type TestServer } from "./server.ts";

/**
 * Starts two servers of one instance over one database, with a pool and a clock each; tokens are those of the first
 * one's issuer, and of the real time.
 */
export async function startTwins(clocks: readonly [() => Instant, () => Instant], databaseUrl?: string) {
  const auth = Promise.withResolvers<Authenticate>();
  const authenticate: Authenticate = async (headers, signal) => (await auth.promise)(headers, signal);
  const start = (now: () => Instant) => {
    const database = openTestDatabase(databaseUrl);
    return startTestServer({ databaseUrl, directory: { database, now }, authenticate }).then((server) => {
      const close = () => server.close().then(() => database.close());
      return { ...server, close };
    });
  };
  const servers: [TestServer, TestServer] = [await start(clocks[0]), await start(clocks[1])];
  const [{ instanceId, issuer, database }] = servers;
  const now = () => instantOfMs(Date.now());
  const verifyJwt = createVerifyJwt({ issuer: createIssuer(issuer.url), audience, now });
  auth.resolve(createAuthenticate({ instanceId, verifyJwt, database, now }));
  return { servers, close: () => Promise.all(servers.map((server) => server.close())) };
}
