import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout } from "node:timers/promises";
import { surroundings } from "./account.ts";
import type { Home } from "./home.ts";
import { describeFailure } from "./log.ts";
import { assertUnused, readLock } from "./owner.ts";

/** A PostgreSQL that answers. */
export interface PostgresProcess {
  readonly child: ChildProcess;
  /** Of 127.0.0.1. */
  readonly port: number;
}

const pollMs = 10;

/**
 * Runs PostgreSQL on the home's cluster, on a free port of 127.0.0.1, and returns it once it answers. It is stopped
 * when this process exits, but does not keep it from exiting. If someone else takes the port meanwhile, it tries
 * another one, `attempts` in all.
 *
 * Throws if another server was faster to take the cluster, and, with the end of the log, if it does not start.
 */
export async function startPostgres(
  home: Home,
  settings: Record<string, string>,
  attempts = 5,
): Promise<PostgresProcess> {
  const port = await findFreePort();
  const child = await spawnPostgres(home, settings, port);
  if (await becomesReady(home, child)) return { child, port };

  await assertUnused(home.clusterDir);
  const failure = await describeFailure(home, "PostgreSQL did not start");
  // Between finding the port and using it, someone else may take it.
  if (attempts > 1 && failure.message.includes("Address already in use")) {
    return startPostgres(home, settings, attempts - 1);
  }
  throw failure;
}

/** Stops PostgreSQL, cutting its connections, and resolves once it has exited. */
export async function stopPostgres(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  child.ref();
  // SIGINT is PostgreSQL's fast shutdown; at SIGTERM it would wait until every client has left.
  child.kill("SIGINT");
  await once(child, "exit");
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  // A server that listens on TCP has an AddressInfo.
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function spawnPostgres(home: Home, settings: Record<string, string>, port: number): Promise<ChildProcess> {
  const all = {
    ...settings,
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    // PostgreSQL does not know this one; findServer in owner.ts reads it from the command line.
    "rollcall.owner": process.pid,
  };
  const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  // A file, not a pipe: the server must be able to write when we are busy or dead.
  const log = await open(home.logFile, "a", 0o600);
  await log.truncate();
  const child = spawn(home.programs.postgres, ["-D", home.clusterDir, ...flags], {
    ...surroundings(home.account),
    stdio: ["ignore", log.fd, log.fd],
    // A session of its own: Ctrl-C reaches everything in ours, and PostgreSQL would go before our requests are done.
    detached: true,
  });
  const stopAtExit = () => child.kill("SIGINT");
  process.on("exit", stopAtExit);
  const forget = () => process.off("exit", stopAtExit);
  child.once("exit", forget).once("error", forget);
  child.unref();
  await once(child, "spawn").finally(() => log.close());
  return child;
}

// As pg_ctl does. No limit: after a crash the server replays its log first, for as long as that takes.
async function becomesReady({ clusterDir }: Home, child: ChildProcess): Promise<boolean> {
  while (isRunning(child)) {
    const lock = await readLock(clusterDir);
    const lines = lock?.split("\n") ?? [];
    if (Number(lines[0]) === child.pid && lines[7]?.trim() === "ready") return true;
    await setTimeout(pollMs);
  }
  return false;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
