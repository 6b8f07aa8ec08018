import { readFile, rename, writeFile } from "node:fs/promises";

/** What is known of a user: a hash of the password, and the secret of the authenticator app; each may be missing. */
export interface User {
  /** As made by `hashPassword`. */
  password?: string;
  /** In Base32. */
  totp?: string;
}

/** Users by id. */
export type Users = Record<string, User>;

/** Reads the users of a JSON file. */
export async function readUsers(file: string): Promise<Users> {
  return JSON.parse(await readFile(file, "utf8"));
}

/** The user with this id, if there is one. */
export function findUser(users: Users, id: string): User | undefined {
  return Object.hasOwn(users, id) ? users[id] : undefined;
}

/** Writes the users to a file that only its owner may read. Whoever reads meanwhile gets the old one or the new one. */
export async function writeUsers(file: string, users: Users): Promise<void> {
  const draft = `${file}.${process.pid}.tmp`;
  await writeFile(draft, `${JSON.stringify(users, null, 2)}\n`, { mode: 0o600 });
  await rename(draft, file);
}
