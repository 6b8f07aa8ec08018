import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chown } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";

/** The user that PostgreSQL runs as, in the words of `spawn`; empty if it is our own. */
export interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

const run = promisify(execFile);
const accountName = "postgres";

/**
 * Returns our own account, or as root, which PostgreSQL refuses to run as, that of the user `postgres`, made if there
 * is none. Throws if it cannot be made.
 */
export async function findAccount(): Promise<Account> {
  return process.getuid?.() === 0 ? await findOrCreateAccount() : {};
}

/** Throws, with the ways out, if the account is not ours and cannot enter a folder on the way to one of the files. */
export async function assertReachable(account: Account, files: string[]): Promise<void> {
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

/** Makes the account the owner of the file or folder; nothing to do if it is our own. */
export async function give(path: string, { uid, gid }: Account): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

/**
 * The options of `spawn` that run a program of PostgreSQL as the account.
 *
 * Not our environment: PG* and locale variables would change what the server does. Not our working directory:
 * the other user may be locked out of it.
 */
export function surroundings(account: Account) {
  return { ...account, cwd: "/", env: { LC_ALL: "C", TZ: "UTC" } };
}

async function findOrCreateAccount(): Promise<Account> {
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

function listAncestors(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [path] : [...listAncestors(parent), path];
}
