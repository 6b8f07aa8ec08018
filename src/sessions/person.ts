import { and, eq, sql } from "drizzle-orm";
import type { Scope } from "./access.ts";
import { noEarlier } from "./change.ts";
import { hasUser } from "./filter.ts";
import type { Instant } from "./instant.ts";
import { orderBy, type Position } from "./page.ts";
import { apiTokens, nextChange, type SessionOfUser, sessions, type User, users } from "./schema.ts";
import type { Db } from "./store.ts";

/** How many rows were erased of a person, and how many of others forget them. */
export interface Erasure {
  users: number;
  sessions: number;
  apiTokens: number;
  /** Sessions of others that they had created or ended. */
  forgotten: number;
}

// A session takes a KiB or so, but may take a hundred times as much.
const pageSize = 200;

/** The user of the scope's instance, deleted ones included; undefined if nothing is known of them. */
export async function findPerson(db: Db, { instanceId }: Scope, userId: string): Promise<User | undefined> {
  const [user] = await db
    .select()
    .from(users)
    .where(and(eq(users.instanceId, instanceId), eq(users.id, userId)));
  return user;
}

/**
 * The sessions in scope of a user, oldest first, page by page: each as it is when its page is read, and once, whatever
 * changes meanwhile.
 */
export async function* readSessionsOf(db: Db, scope: Scope, userId: string): AsyncGenerator<SessionOfUser[]> {
  let last: Position | undefined;
  do {
    const found = await db
      .select()
      .from(sessions)
      .leftJoin(users, and(eq(users.instanceId, sessions.instanceId), eq(users.id, sessions.userId)))
      .where(and(scope, hasUser(userId), last && isAhead(last)))
      .orderBy(...orderBy("oldest_first", sessions))
      .limit(pageSize);
    yield found.map(({ sessions: session, users: user }) => ({ session, user }));
    last = found.length < pageSize ? undefined : found.at(-1)?.sessions;
  } while (last !== undefined);
}

// Both columns at once, so that the index leads right there.
function isAhead({ createdAt, id }: Position) {
  return sql`(${sessions.createdAt}, ${sessions.id}) > (${sql.param(createdAt, sessions.createdAt)}, ${id})`;
}

/**
 * Erases all that there is of a person in the scope's instance, in one transaction: their sessions in scope, their API
 * tokens, and what is known of them, be it only that they were deleted. The sessions of others that name them as creator,
 * or as who ended them, forget that, and have changed `at` that time.
 *
 * Reads every session of the instance, as none is found by who ended it.
 */
export async function erasePerson(db: Db, scope: Scope, userId: string, at: Instant): Promise<Erasure> {
  const { instanceId } = scope;
  return await db.transaction(async (transaction) => {
    const erasedUsers = await transaction
      .delete(users)
      .where(and(eq(users.instanceId, instanceId), eq(users.id, userId)))
      .returning({ id: users.id });
    const erasedTokens = await transaction
      .delete(apiTokens)
      .where(and(eq(apiTokens.instanceId, instanceId), eq(apiTokens.userId, userId)))
      .returning({ id: apiTokens.id });
    const changed = await eraseFromSessions(transaction, scope, userId, at);
    return { users: erasedUsers.length, apiTokens: erasedTokens.length, ...changed };
  });
}

// Last, for its numbers keep readers of changes waiting until the end. All rows are locked in one order, whosever they
// are, so that two who change many rows at once do not wait for each other for ever.
async function eraseFromSessions(db: Db, scope: Scope, userId: string, at: Instant) {
  const [counts] = await db.execute<{ sessions: number; forgotten: number }>(sql`
    with touched as (
      select id, user_id is not distinct from ${userId} as is_theirs from ${sessions}
      where ${scope} and ${userId} in (user_id, creator_id, ended_by) order by id for update
    ), erased as (
      delete from ${sessions} where ${scope} and id in (select id from touched where is_theirs) returning 1
    ), forgotten as (
      update ${sessions} set creator_id = nullif(creator_id, ${userId}), ended_by = nullif(ended_by, ${userId}),
        changed_at = ${noEarlier(at)}, sequence = ${nextChange}
      where ${scope} and id in (select id from touched where not is_theirs) returning 1
    )
    select (select count(*)::int from erased) as "sessions", (select count(*)::int from forgotten) as "forgotten"`);
  return counts ?? { sessions: 0, forgotten: 0 };
}
