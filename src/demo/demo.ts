import { randomBytes } from "node:crypto";
import { styleText } from "node:util";
import type { Logger } from "pino";
import { startExampleVerifier } from "../../examples/verifier/server.ts";
import { type Config, settings } from "../config.ts";
import { type Database, openConfiguredDatabase } from "../database.ts";
import type { Port } from "../http/port.ts";
import { openServer, stopSignal } from "../serve.ts";
import { instantOfMs } from "../sessions/instant.ts";
import { createTokens, toScript } from "./commands.ts";
import { credentials } from "./credentials.ts";
import { sessionCount } from "./data.ts";
import { demoAudience, startDemoIssuer, tokenHours } from "./issuer.ts";
import { organizations } from "./organizations.ts";
import { demoInstanceId, userCount } from "./people.ts";
import { seedDemo } from "./seed.ts";

const defaultPort = Number(settings.port.unset);

/**
 * Runs Rollcall on its embedded PostgreSQL with demo data, until SIGTERM, SIGINT or SIGHUP, and prints commands to try.
 *
 * Of the configuration it takes where to listen and where to keep data, which it writes at the first start only. It
 * has an instance, an issuer and a verifier of its own, speaks no TLS, and never touches the database of DATABASE_URL.
 * If the default port is taken it listens on a free one.
 */
export async function runDemo(config: Config, log: Logger): Promise<void> {
  // Nobody may be reading any more: that is no reason to stop without closing.
  process.stdout.on("error", () => undefined);
  // Before anything is started, so that a signal never finds half of it without an owner.
  const stop = new AbortController();
  const stopped = stopSignal().then(() => stop.abort());
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => undefined);
  if (config.databaseUrl !== undefined) say("DATABASE_URL is left alone: the demo runs a PostgreSQL of its own");
  const own = toDemoConfig(config);
  try {
    // What is open is closed at the end, the last first, also if the next one cannot be opened.
    await using open = new AsyncDisposableStack();
    const database = open.adopt(await openConfiguredDatabase(own, lost.reject), (database) => database.close());
    const isNew = await seedDemo(database, instantOfMs(Date.now()));
    const issuer = open.adopt(await startDemoIssuer(), (issuer) => issuer.close());
    const verifier = open.adopt(await startVerifier(), (verifier) => verifier.close());
    const server = await openPort({ ...own, oidcIssuer: issuer.url, ...verifier.settings }, database, log);
    const port = open.adopt(server, (port) => port.close(own.shutdownTimeoutMs));
    const script = toScript(port.url, await createTokens(issuer));
    if (stop.signal.aborted) return;
    greet(port.url, own.dataDir, isNew);
    process.stdout.write(`\n${highlight(script)}\n`);
    await Promise.race([stopped, lost.promise]);
    say("Stopping. The data is kept");
  } catch (error) {
    // Ctrl-C reaches initdb as well: that it then fails is no news.
    if (!stop.signal.aborted) throw error;
  }
}

function toDemoConfig(config: Config): Config {
  return {
    ...config,
    databaseUrl: undefined,
    instanceId: demoInstanceId,
    oidcAudience: demoAudience,
    // The printed commands would not trust the certificate.
    tlsCertFile: undefined,
    tlsKeyFile: undefined,
  };
}

// With a secret that nobody keeps: nobody else can ask it, and try passwords.
async function startVerifier() {
  const verifierSecret = randomBytes(32).toString("base64url");
  const { url: verifierUrl, close } = await startExampleVerifier({ users: credentials, secret: verifierSecret });
  return { settings: { verifierUrl, verifierSecret }, close };
}

async function openPort(config: Config, database: Database, log: Logger): Promise<Port> {
  try {
    return await openServer(config, database, log);
  } catch (error) {
    if (config.port !== defaultPort || !isTaken(error)) throw error;
    say(`Port ${defaultPort} is taken, so it is another one`);
    return await openServer({ ...config, port: 0 }, database, log);
  }
}

function isTaken(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE";
}

function greet(url: string, dataDir: string, isNew: boolean): void {
  const data = `${organizations.length} organizations, ${userCount} users, ${sessionCount.toLocaleString("en")} sessions`;
  say(`Rollcall answers at ${url} until Ctrl-C`);
  say(`Its data is in ${dataDir}, ${isNew ? `made just now: ${data}` : "kept from an earlier start"}`);
  say(
    `Paste what follows into another terminal, in this folder. The tokens are good until it stops, ${tokenHours} hours at most`,
  );
}

// One line for people, which a shell takes for a comment.
function say(line: string): void {
  process.stdout.write(`${highlight(`# ${line}`)}\n`);
}

// No colour where there is no terminal. @see https://no-color.org
function highlight(script: string): string {
  return script.replace(/^#.*$/gm, (comment) => styleText("green", comment));
}
