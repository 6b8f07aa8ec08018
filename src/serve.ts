import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { Logger } from "pino";
import { createAuthenticate } from "./auth/authenticate.ts";
import { createAuthenticateHolder } from "./auth/holder.ts";
import { createIssuer } from "./auth/issuer.ts";
import { createVerifyJwt } from "./auth/jwt.ts";
import { type Config, ConfigError, type Problems } from "./config.ts";
import { type Database, openConfiguredDatabase } from "./database.ts";
import { isDemoIssuer } from "./demo/issuer.ts";
import type { Port } from "./http/port.ts";
import type { TlsOptions } from "./http/protocol.ts";
import { type Retention, startRetention } from "./retention.ts";
import { createServer } from "./server.ts";
import { instantOfMs } from "./sessions/instant.ts";
import { createVerifier } from "./verifier.ts";

// Far longer than a signal takes to arrive twice, and shorter than a person's patience.
const echoMs = 1_000;

/**
 * Runs Rollcall until SIGTERM, SIGINT or SIGHUP, then lets requests in flight finish and closes everything, the last first.
 *
 * Throws ConfigError if the certificate and its key cannot be used.
 */
export async function serve(config: Config, log: Logger): Promise<void> {
  // Before anything is started, so that a signal never finds half of it without an owner.
  const stop = stopSignal();
  const tls = await readTls(config);
  const lost = Promise.withResolvers<never>();
  const database = await openConfiguredDatabase(config, lost.reject);
  const port = await openServer(config, database, log, tls).catch(async (error) => {
    await database.close();
    throw error;
  });
  log.info({ url: port.url, instanceId: config.instanceId }, "listening");
  const retention = openRetention(config, database, log);
  const signal = await Promise.race([stop, lost.promise]);
  log.info({ signal }, "stopping");
  await port.close(config.shutdownTimeoutMs);
  // Together: if the database hangs, the batch that runs is over only when its connection is closed.
  await Promise.all([retention.stop(), database.close()]);
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
export async function openServer(config: Config, database: Database, log: Logger, tls?: TlsOptions): Promise<Port> {
  const now = () => instantOfMs(Date.now());
  const { instanceId, verifierUrl, verifierSecret: secret } = config;
  const issuer = createIssuer(config.oidcIssuer ?? "");
  const verifyJwt = createVerifyJwt({ issuer, audience: config.oidcAudience ?? "", now });
  return await createServer({
    host: config.host,
    port: config.port,
    tls,
    directory: { database, now },
    authenticate: createAuthenticate({ instanceId, verifyJwt, database, now }),
    authenticateHolder: createAuthenticateHolder({
      instanceId,
      cookieName: config.sessionCookieName,
      verifyJwt,
      database,
      now,
    }),
    verifier: verifierUrl && secret ? createVerifier({ url: verifierUrl, secret, now }) : undefined,
    publicUrl: config.publicUrl,
    requiredAal: config.sessionRequiredAal,
    lifespanMs: config.sessionLifespanMs,
    corsOrigins: config.corsOrigins,
    deadlineMs: config.requestTimeoutMs,
    log,
  });
}

/** Tells what a server lacks of knowing whose callers to trust; the demo's issuer is nobody's. */
export function checkCallers({ oidcIssuer, oidcAudience }: Partial<Config>): Problems {
  const problems: Problems = new Map();
  if (oidcIssuer === undefined)
    problems.set("OIDC_ISSUER", "is not set: the URL of the issuer whose tokens are accepted");
  else if (isDemoIssuer(oidcIssuer)) problems.set("OIDC_ISSUER", "is the demo's issuer, whose tokens anyone can have");
  if (oidcAudience === undefined) problems.set("OIDC_AUDIENCE", "is not set: the audience that tokens must carry");
  return problems;
}

function openRetention(config: Config, { db }: Database, log: Logger): Retention {
  const { instanceId, retentionEndedMs: endedMs, retentionExpiredMs: expiredMs } = config;
  return startRetention({ db, instanceId, endedMs, expiredMs, now: () => instantOfMs(Date.now()), log });
}

async function readTls({ tlsCertFile, tlsKeyFile }: Config): Promise<TlsOptions | undefined> {
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return undefined;
  try {
    const tls = { cert: await readFile(tlsCertFile), key: await readFile(tlsKeyFile) };
    // Or the port would open, and every handshake fail: throws if the key is not the certificate's.
    createSecureContext(tls);
    return tls;
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : cause;
    throw new ConfigError(`TLS_CERT_FILE and TLS_KEY_FILE cannot be used: ${problem}`, { cause });
  }
}
