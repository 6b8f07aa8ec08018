import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { give, surroundings } from "./account.ts";
import { clusterName, type Home } from "./home.ts";
import { lastLines } from "./log.ts";
import { isAlive } from "./process-table.ts";

/** The superuser of a cluster. */
export const superuserName = "rollcall";

const run = promisify(execFile);
const passwordName = "password";

/**
 * Makes the cluster and its password, unless they are there. When several processes do so at once, one cluster stays.
 *
 * Throws, with the end of its output, if `initdb` fails; that leaves nothing behind.
 */
export async function createCluster(home: Home): Promise<void> {
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

/** Returns the superuser's password. */
export async function readPassword({ storeDir }: Home): Promise<string> {
  return readFile(join(storeDir, passwordName), "utf8");
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

async function initialise({ programs, account }: Home, draft: string): Promise<void> {
  const passwordFile = join(draft, passwordName);
  await writeFile(passwordFile, randomBytes(24).toString("hex"), { mode: 0o600 });
  await give(passwordFile, account);
  const flags = [
    `--pgdata=${join(draft, clusterName)}`,
    `--username=${superuserName}`,
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
