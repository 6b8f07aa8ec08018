import { and, isNotNull, type SQL, sql } from "drizzle-orm";
import type { Scope } from "./access.ts";
import { type Condition, expires, hasIdIn, isNotEnded } from "./filter.ts";
import type { Instant } from "./instant.ts";
import { type NewSession, nextChange, type Session, type SessionOfUser, sessions } from "./schema.ts";
import { type Db, findSession } from "./store.ts";
import { holdUser } from "./users.ts";

/** When, why and by which user sessions are ended; `by` is undefined if nobody did it by hand. */
export interface End {
  at: Instant;
  reason: string;
  by: string | undefined;
}

/**
 * Stores a new session in the scope's instance, and returns it as it is stored.
 *
 * Throws SessionError `user_unknown` or `user_not_active` if its user, who may have been found long before, is gone or
 * disabled by now.
 */
export async function openSession(db: Db, scope: Scope, session: Omit<NewSession, "instanceId">): Promise<Session> {
  return await db.transaction(async (transaction) => {
    if (session.userId) await holdUser(transaction, scope, session.userId);
    const [opened] = await transaction
      .insert(sessions)
      .values({ ...session, instanceId: scope.instanceId })
      .returning();
    return opened ?? missing();
  });
}

/** How a session is to be changed. */
export interface Decision {
  /** What becomes of the session as it is stored now; undefined if nothing. What it throws leaves the session as it was. */
  decide: (session: Session) => Partial<Session> | undefined;
  /** The user who was found for it or proved something, and must not be gone or disabled by now. */
  userId?: string | undefined;
}

/**
 * Changes a session in scope as is decided, and returns what it was and is, which is the same if that is nothing;
 * undefined if there is no such session.
 *
 * The row is locked in between, so that no two changes start from the same state.
 *
 * Throws SessionError `user_unknown`, `user_not_active`, and what `decide` throws.
 */
export async function changeSession(
  db: Db,
  scope: Scope,
  id: string,
  { decide, userId }: Decision,
): Promise<{ before: Session; after: Session } | undefined> {
  const row = and(scope, hasIdIn([id]));
  return await db.transaction(async (transaction) => {
    // Users before sessions, as whoever else changes both: or two could wait for each other for ever.
    if (userId !== undefined) await holdUser(transaction, scope, userId);
    const [before] = await transaction.select().from(sessions).where(row).for("update");
    if (before === undefined) return undefined;
    const changes = decide(before);
    if (changes === undefined) return { before, after: before };
    const [after] = await transaction
      .update(sessions)
      .set({ ...changes, sequence: nextChange })
      .where(row)
      .returning();
    return { before, after: after ?? missing() };
  });
}

/**
 * Ends the sessions in scope that meet every condition and were not ended yet, at most `limit` of them; tells how many
 * these were, and how many of them were live, the others having expired.
 */
export async function endSessions(
  db: Db,
  scope: Scope,
  conditions: readonly Condition[],
  { at, reason, by, limit }: End & { limit?: number },
): Promise<{ ended: number; live: number }> {
  const endedAt = noEarlier(at);
  const ended = await db
    .update(sessions)
    .set({ endedAt, endReason: reason, endedBy: by ?? null, changedAt: endedAt, sequence: nextChange })
    .where(someOf(db, and(scope, isNotEnded(), ...conditions), scope, limit))
    .returning({ live: sql<boolean>`${expires("after", at)}` });
  return { ended: ended.length, live: ended.filter(({ live }) => live).length };
}

/** Removes the sessions in scope that meet every condition, at most `limit` of them, for good; tells how many these were. */
export async function eraseSessions(
  db: Db,
  scope: Scope,
  conditions: readonly Condition[],
  limit?: number,
): Promise<number> {
  const erased = await db
    .delete(sessions)
    .where(someOf(db, and(scope, ...conditions), scope, limit))
    .returning({ id: sessions.id });
  return erased.length;
}

/**
 * Lets a session in scope that was not ended live until `expiresAt`, also if it has expired, and returns it as it is
 * then; undefined if there is none. One that never expires stays so.
 */
export async function extendSession(
  db: Db,
  scope: Scope,
  id: string,
  { expiresAt, at }: { expiresAt: Instant; at: Instant },
): Promise<SessionOfUser | undefined> {
  await db
    .update(sessions)
    .set({ expiresAt, changedAt: noEarlier(at), sequence: nextChange })
    .where(and(scope, hasIdIn([id]), isNotEnded(), isNotNull(sessions.expiresAt)));
  return await findSession(db, scope, [hasIdIn([id])]);
}

/** The moment `at`, or when the session was last changed if that is later: the clocks of two processes may differ. */
export function noEarlier(at: Instant): SQL {
  return sql`greatest(${sessions.changedAt}, ${sql.param(at, sessions.changedAt)})`;
}

function missing(): never {
  throw new Error("the session was not stored");
}

/**
 * The rows that meet a condition, or any `limit` of them, locked.
 *
 * In one order, so that two who change many rows at once do not wait for each other for ever; and as they are once they
 * are locked, so that none is ended twice. Of rows that change meanwhile it may miss some within the limit.
 */
function someOf(db: Db, condition: Condition, scope: Scope, limit: number | undefined): Condition {
  const rows = db.select({ id: sessions.id }).from(sessions).where(condition).orderBy(sessions.id).$dynamic();
  const some = (limit === undefined ? rows : rows.limit(limit)).for("update");
  // An array, which is made once. What stands in `in (…)` PostgreSQL may ask anew for every row, each time with the next ones.
  return and(scope, sql`${sessions.id} = any(array(${some}))`);
}
