import { and, asc, eq, gt, lte, sql } from "drizzle-orm";
import type { Scope } from "./access.ts";
import { type SessionOfUser, sessions, settledChange, users } from "./schema.ts";
import type { Db } from "./store.ts";

/** What changed since a number, and where to go on. */
export interface Changes {
  /** As they are now, each once however often it changed, by their numbers, lowest first. */
  sessions: SessionOfUser[];
  /** The number to ask after next time; never lower than the one that was asked for. */
  upTo: bigint;
}

/**
 * The sessions in scope, ended ones included, whose last change has a number above `after`, at most `limit` (1 or more)
 * of them; 0n asks for all there are. Who goes on from `upTo` misses no session, however late its change is committed.
 *
 * Only settled changes are told: those below every number that may still be committed. A transaction that takes long
 * after its first change therefore holds back those of all others in the database, and never just its own.
 *
 * Erased sessions leave no trace, and new names of a user are no change of their sessions.
 *
 * Two statements, and never in a transaction that is REPEATABLE READ or stricter: the snapshot of the list must come
 * after the horizon was found. A change that is committed in between is above the horizon or in the list; with the
 * snapshot first it could be below the one and not in the other. On the primary only, as a standby has no such locks.
 */
export async function listChanges(
  db: Db,
  scope: Scope,
  { after, limit }: { after: bigint; limit: number },
): Promise<Changes> {
  const settled = await findSettled(db);
  const found = await db
    .select()
    .from(sessions)
    .leftJoin(users, and(eq(users.instanceId, sessions.instanceId), eq(users.id, sessions.userId)))
    .where(and(scope, gt(sessions.sequence, after), lte(sessions.sequence, settled)))
    // Nothing behind it: no two sessions have one number.
    .orderBy(asc(sessions.sequence))
    .limit(limit);
  const changed = found.map(({ sessions: session, users: user }) => ({ session, user }));
  const last = changed.length < limit ? undefined : changed.at(-1);
  // The horizon can be lower than it was before: when a transaction is about to take its first number.
  return { sessions: changed, upTo: last?.session.sequence ?? (settled > after ? settled : after) };
}

async function findSettled(db: Db): Promise<bigint> {
  const [found] = await db.select({ settled: settledChange }).from(sql`(values (1)) as one`);
  return found?.settled ?? 0n;
}
