import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Logger } from "pino";
import { createAuthenticate } from "./auth.ts";
import { type Config, ConfigError } from "./config.ts";
import { type Database, openConfiguredDatabase } from "./database.ts";
import { isDemoIssuer } from "./demo/issuer.ts";
import type { Port } from "./http/port.ts";
import type { TlsOptions } from "./http/protocol.ts";
import { createIssuer } from "./issuer.ts";
import { createServer } from "./server.ts";
import { instantOfMs } from "./sessions/instant.ts";

/**
 * Runs Rollcall until SIGTERM or SIGINT, then lets requests in flight finish and closes everything, the last first.
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

/** Resolves with the name of the first signal that asks the process to end; the second one ends it at once. */
export async function stopSignal(): Promise<NodeJS.Signals> {
  const unused = new AbortController();
  const signals = (["SIGTERM", "SIGINT"] as const).map((signal) =>
    once(process, signal, { signal: unused.signal }).then(() => signal),
  );
  const first = await Promise.race(signals);
  unused.abort();
  return first;
}

/** Opens the one port over an open database, as the configuration says. */
export async function openServer(config: Config, database: Database, log: Logger): Promise<Port> {
  const now = () => instantOfMs(Date.now());
  const authenticate = createAuthenticate({
    instanceId: config.instanceId,
    issuer: createIssuer(config.oidcIssuer ?? ""),
    audience: config.oidcAudience ?? "",
    database,
    now,
  });
  return await createServer({
    host: config.host,
    port: config.port,
    tls: await readTls(config),
    directory: { database, now },
    authenticate,
    corsOrigins: config.corsOrigins,
    deadlineMs: config.requestTimeoutMs,
    log,
  });
}

function requireCallers({ oidcIssuer, oidcAudience }: Config): void {
  const problems: string[] = [];
  if (oidcIssuer === undefined)
    problems.push("OIDC_ISSUER is not set: the URL of the issuer whose tokens are accepted");
  else if (isDemoIssuer(oidcIssuer)) problems.push("OIDC_ISSUER is the demo's issuer, which gives tokens to anyone");
  if (oidcAudience === undefined) problems.push("OIDC_AUDIENCE is not set: the audience that tokens must carry");
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
}

async function readTls({ tlsCertFile, tlsKeyFile }: Config): Promise<TlsOptions | undefined> {
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return undefined;
  return { cert: await readFile(tlsCertFile), key: await readFile(tlsKeyFile) };
}
