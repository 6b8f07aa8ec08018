import { and, eq, ne, sql } from "drizzle-orm";
import { SessionError } from "../errors.ts";
import type { Scope } from "./access.ts";
import { foldCase, isDisabled, type User, users } from "./schema.ts";
import type { Db } from "./store.ts";

/** What a user is looked for by; of a login name upper and lower case are alike. */
export type UserSearch = { id: string } | { loginName: string };

/**
 * The user of the scope's instance whom a search names; `only` is the one whom it may name, if there is one.
 *
 * Throws SessionError `user_unknown`, also for a deleted user, `user_not_active` for a disabled one, `user_ambiguous` if
 * several have the login name and none has it in just these letters, and `invalid_request` if it is another than `only`:
 * nothing is told then of whom it names.
 */
export async function findUser(db: Db, { instanceId }: Scope, search: UserSearch, only: string | null): Promise<User> {
  const isNamed =
    "id" in search ? eq(users.id, search.id) : eq(foldCase(users.loginName), foldCase(sql`${search.loginName}::text`));
  const isAllowed = only === null ? undefined : eq(users.id, only);
  const found = await db
    .select()
    .from(users)
    .where(and(eq(users.instanceId, instanceId), isNamed, isAllowed, ne(users.state, "deleted")))
    // Two are as ambiguous as many, and one in just these letters comes first.
    .orderBy(sql`${users.loginName} collate "C" <> ${"id" in search ? "" : search.loginName}`, users.id)
    .limit(2);
  if (only !== null && found.length === 0) throw new SessionError("invalid_request", "user change not possible");
  const user = choose(found, search);
  assertActive(user);
  return user;
}

/**
 * Keeps the user as they are until the transaction is over: nobody disables, deletes or erases them meanwhile.
 *
 * Throws SessionError `user_unknown` or `user_not_active` if somebody has by now.
 */
export async function holdUser(transaction: Db, { instanceId }: Scope, id: string): Promise<void> {
  const [user] = await transaction
    .select()
    .from(users)
    .where(and(eq(users.instanceId, instanceId), eq(users.id, id)))
    .for("share");
  assertActive(user ?? unknown());
}

function assertActive(user: User): void {
  if (isDisabled(user)) throw new SessionError("user_not_active", "the user is not active");
}

function choose([first, second]: User[], search: UserSearch): User {
  if (first === undefined) return unknown();
  const isExact = (user: User) => "id" in search || user.loginName === search.loginName;
  if (second !== undefined && isExact(first) === isExact(second)) {
    throw new SessionError("user_ambiguous", "several users have this login name");
  }
  return first;
}

function unknown(): never {
  throw new SessionError("user_unknown", "the user does not exist");
}
