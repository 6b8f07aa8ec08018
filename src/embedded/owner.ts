import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { isAlive, readProcess } from "./process-table.ts";

const pollMs = 10;
// A fast shutdown writes a checkpoint first, which takes seconds on a slow disk.
const orphanStopMs = 60_000;

/**
 * Makes the cluster free for this process: stops the server that a dead process left, and disarms a stale lock.
 *
 * Throws if a living process uses it, or if the server left behind does not stop within a minute.
 */
export async function takeOver(clusterDir: string): Promise<void> {
  // Kept open from reading to writing: if a server starts meanwhile, its lock is a new file, which must not be touched.
  const lock = await open(lockFile(clusterDir), "r+").catch(ignoreMissing);
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

/** Throws if a server runs on the cluster, whosever it is. */
export async function assertUnused(clusterDir: string): Promise<void> {
  const lock = await readLock(clusterDir);
  const rival = lock && (await findServer(clusterDir, Number.parseInt(lock, 10)));
  if (rival) throw inUse(clusterDir, rival);
}

/**
 * Returns PostgreSQL's lock on the cluster, whose lines begin with the server's process number; undefined if there is
 * none. It may be stale.
 *
 * @see https://www.postgresql.org/docs/18/storage-file-layout.html on postmaster.pid
 */
export async function readLock(clusterDir: string): Promise<string | undefined> {
  return readFile(lockFile(clusterDir), "utf8").catch(ignoreMissing);
}

function lockFile(clusterDir: string): string {
  return join(clusterDir, "postmaster.pid");
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

interface RunningServer {
  readonly id: number;
  /** The process that started it; itself if that was not one of ours. */
  readonly userId: number;
  readonly isOrphan: boolean;
}

function inUse(clusterDir: string, { userId }: RunningServer): Error {
  return new Error(
    `the database in ${clusterDir} is in use by process ${userId}: stop that, or set DATABASE_URL or another DATA_DIR`,
  );
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

// Signalled by number, not through pg_ctl: that reads the number again, and by then it may be a newcomer's.
async function stopOrphan(clusterDir: string, id: number): Promise<void> {
  if (isAlive(id)) process.kill(id, "SIGINT");
  for (let waitedMs = 0; waitedMs < orphanStopMs; waitedMs += pollMs) {
    if (!(await findServer(clusterDir, id))) return;
    await setTimeout(pollMs);
  }
  throw new Error(`the PostgreSQL that an earlier process left behind (${id}) does not stop`);
}
