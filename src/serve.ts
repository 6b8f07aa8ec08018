import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Logger } from "pino";
import { createAuthenticate, createVerifyBearer } from "./auth.ts";
import { type Config, ConfigError } from "./config.ts";
import { type Database, openConfiguredDatabase } from "./database.ts";
import { isDemoIssuer } from "./demo/issuer.ts";
import type { Port } from "./http/port.ts";
import type { TlsOptions } from "./http/protocol.ts";
import { createIssuer } from "./issuer.ts";
import { createServer } from "./server.ts";
import { createAuthenticateHolder } from "./session-token.ts";
import { instantOfMs } from "./sessions/instant.ts";

// Far longer than a signal takes to arrive twice, and shorter than a person's patience.
const echoMs = 1_000;

/**
 * Runs Rollcall until SIGTERM, SIGINT or SIGHUP, then lets requests in flight finish and closes everything, the last first.
 *
 * Throws ConfigError if nothing says whose callers to trust, or if it is the demo's issuer, whose key is no secret.
 */
export async function serve(config: Config, log: Logger): Promise<void> {
  // Before anything is started, so that a signal never finds half of it without an owner.
  const stop = stopSignal();
  requireCallers(config);
  const lost = Promise.withResolvers<never>();
  const database = await openConfiguredDatabase(config, lost.reject);
  const port = await openServer(config, database, log).catch(async (error) => {
    await database.close();
    throw error;
  });
  log.info({ url: port.url, instanceId: config.instanceId }, "listening");
  const signal = await Promise.race([stop, lost.promise]);
  log.info({ signal }, "stopping");
  await port.close(config.shutdownTimeoutMs);
  await database.close();
}

/**
 * Resolves with the name of the first signal that asks the process to end; from a second later on, the next one ends
 * it at once.
 *
 * Not from the first on: npm passes on the Ctrl-C that the terminal has sent to both of us. SIGHUP comes when the
 * terminal is closed.
 */
export async function stopSignal(): Promise<NodeJS.Signals> {
  const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
  const ignore = () => {};
  for (const signal of signals) process.on(signal, ignore);
  const first = await Promise.race(signals.map((signal) => once(process, signal).then(() => signal)));
  setTimeout(() => {
    for (const signal of signals) process.removeAllListeners(signal);
  }, echoMs).unref();
  return first;
}

/** Opens the one port over an open database, as the configuration says. */
export async function openServer(config: Config, database: Database, log: Logger): Promise<Port> {
  const now = () => instantOfMs(Date.now());
  const { instanceId } = config;
  const issuer = createIssuer(config.oidcIssuer ?? "");
  const verifyBearer = createVerifyBearer({ issuer, audience: config.oidcAudience ?? "", now });
  return await createServer({
    host: config.host,
    port: config.port,
    tls: await readTls(config),
    directory: { database, now },
    authenticate: createAuthenticate(instanceId, database, verifyBearer),
    authenticateHolder: createAuthenticateHolder({
      instanceId,
      cookieName: config.sessionCookieName,
      verifyBearer,
      database,
      now,
    }),
    requiredAal: config.sessionRequiredAal,
    lifespanMs: config.sessionLifespanMs,
    corsOrigins: config.corsOrigins,
    deadlineMs: config.requestTimeoutMs,
    log,
  });
}

function requireCallers({ oidcIssuer, oidcAudience }: Config): void {
  const problems: string[] = [];
  if (oidcIssuer === undefined)
    problems.push("OIDC_ISSUER is not set: the URL of the issuer whose tokens are accepted");
  else if (isDemoIssuer(oidcIssuer)) problems.push("OIDC_ISSUER is the demo's issuer, whose tokens anyone can have");
  if (oidcAudience === undefined) problems.push("OIDC_AUDIENCE is not set: the audience that tokens must carry");
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
}

async function readTls({ tlsCertFile, tlsKeyFile }: Config): Promise<TlsOptions | undefined> {
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return undefined;
  return { cert: await readFile(tlsCertFile), key: await readFile(tlsKeyFile) };
}
