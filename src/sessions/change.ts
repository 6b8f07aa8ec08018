import { and, inArray, isNotNull, sql } from "drizzle-orm";
import type { Scope } from "./access.ts";
import { type Condition, expires, hasIdIn, isNotEnded } from "./filter.ts";
import type { Instant } from "./instant.ts";
import { type NewSession, nextChange, type Session, type SessionOfUser, sessions } from "./schema.ts";
import { type Db, findSession } from "./store.ts";

/** When, why and by which user sessions are ended; `by` is undefined if nobody did it by hand. */
export interface End {
  at: Instant;
  reason: string;
  by: string | undefined;
}

/** Stores a new session in the scope's instance, and returns it as it is stored. */
export async function openSession(
  db: Db,
  { instanceId }: Scope,
  session: Omit<NewSession, "instanceId">,
): Promise<Session> {
  const [opened] = await db
    .insert(sessions)
    .values({ ...session, instanceId })
    .returning();
  return opened ?? missing();
}

/**
 * Changes a session in scope to what `decide` makes of it as it is then stored, and returns what it was and is; both
 * are the same if `decide` returns undefined. Undefined if there is none.
 *
 * The row is locked in between, so that no two changes start from the same state. What `decide` throws leaves it as it
 * was.
 */
export async function changeSession(
  db: Db,
  scope: Scope,
  id: string,
  decide: (session: Session) => Partial<Session> | undefined,
): Promise<{ before: Session; after: Session } | undefined> {
  const row = and(scope, hasIdIn([id]));
  return await db.transaction(async (transaction) => {
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
  const ended = await db
    .update(sessions)
    .set({ endedAt: at, endReason: reason, endedBy: by ?? null, changedAt: at, sequence: nextChange })
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
    .set({ expiresAt, changedAt: at, sequence: nextChange })
    .where(and(scope, hasIdIn([id]), isNotEnded(), isNotNull(sessions.expiresAt)));
  return await findSession(db, scope, [hasIdIn([id])]);
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
  return and(scope, inArray(sessions.id, some));
}
