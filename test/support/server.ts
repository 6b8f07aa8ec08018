import { randomUUID } from "node:crypto";
import { createAuthenticate } from "../../src/auth/authenticate.ts";
import { createAuthenticateHolder } from "../../src/auth/holder.ts";
import { createIssuer } from "../../src/auth/issuer.ts";
import { createVerifyJwt } from "../../src/auth/jwt.ts";
import type { Database } from "../../src/database.ts";
import { createLog } from "../../src/log.ts";
import { createServer, type ServerOptions } from "../../src/server.ts";
import { instantOfMs } from "../../src/sessions/instant.ts";
import { openTestDatabase } from "./database.ts";
import { createGiven } from "./given.ts";
import { audience, startTestIssuer, type TestIssuer } from "./issuer.ts";

/** The cookie that holds session tokens. */
export const cookieName = "ory_kratos_session";

/** A whole Rollcall on a free port, with an instance, an issuer and a database pool of its own. */
export interface TestServer {
  url: string;
  instanceId: string;
  database: Database;
  issuer: TestIssuer;
  given: ReturnType<typeof createGiven>;
  /** The lines of its log, as objects. */
  log: Record<string, unknown>[];
  close(): Promise<void>;
}

/** Starts a server; its time is the real one, since tokens and clients have it too. */
export async function startTestServer(
  options: Partial<ServerOptions> & { databaseUrl?: string } = {},
): Promise<TestServer> {
  const database = openTestDatabase(options.databaseUrl);
  const issuer = await startTestIssuer();
  const instanceId = randomUUID();
  const now = () => instantOfMs(Date.now());
  const log: Record<string, unknown>[] = [];
  const verifyJwt = createVerifyJwt({ issuer: createIssuer(issuer.url, { cooldownMs: 0 }), audience, now });
  const port = await createServer({
    host: "127.0.0.1",
    port: 0,
    directory: { database, now },
    authenticate: createAuthenticate({ instanceId, verifyJwt, database, now }),
    authenticateHolder: createAuthenticateHolder({ instanceId, cookieName, verifyJwt, database, now }),
    requiredAal: "aal1",
    lifespanMs: 86_400_000,
    corsOrigins: [],
    deadlineMs: 30_000,
    log: createLog("info", { write: (line: string) => void log.push(JSON.parse(line)) }),
    ...options,
  });
  return {
    url: port.url,
    instanceId,
    database,
    issuer,
    given: createGiven(database, instanceId),
    log,
    async close() {
      await port.close(1_000);
      await issuer.stop();
      await database.close();
    },
  };
}
