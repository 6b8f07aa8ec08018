import { and, type SQL, sql } from "drizzle-orm";
import type { AnyPgColumn } from "drizzle-orm/pg-core";
import type { Scope } from "./access.ts";
import { endSessions, eraseSessions } from "./change.ts";
import { type Condition, expires, isEnded, isNotEnded } from "./filter.ts";
import type { Instant } from "./instant.ts";
import { sessions } from "./schema.ts";
import type { Db } from "./store.ts";

// With the instance's hash a pair of 32 bits, which PostgreSQL keeps apart from all keys of 64 bits: from the lock of
// the migrations, and from those of changes that are not settled. Instances that share a hash take turns, no more.
const retentionLock = 20_044;

/** Which sessions are due (those whose date is `cutoff` or before), and how many of them a batch takes at most. */
export interface Due {
  cutoff: Instant;
  limit: number;
}

/**
 * Ends a batch of the sessions in scope that expired at `cutoff` or before, the longest expired first, by nobody, with
 * reason `expired`, and tells how many these were.
 *
 * Fewer than the limit: no other was due, or another worker of the instance has a batch just now.
 */
export async function endExpired(db: Db, scope: Scope, { at, ...due }: Due & { at: Instant }): Promise<number> {
  const isExpired = and(isNotEnded(), expires("at_or_before", due.cutoff));
  const batch = inBatch(db, scope, isExpired, sessions.expiresAt, due.limit);
  const { ended } = await endSessions(db, scope, [isExpired, batch], { at, reason: "expired", by: undefined });
  return ended;
}

/** Erases a batch of the sessions in scope that were ended at `cutoff` or before, like {@link endExpired}. */
export async function eraseEnded(db: Db, scope: Scope, { cutoff, limit }: Due): Promise<number> {
  const isDue = isEnded("at_or_before", cutoff);
  return await eraseSessions(db, scope, [isDue, inBatch(db, scope, isDue, sessions.endedAt, limit)]);
}

/**
 * It is one of the first `limit` sessions in scope that are due, and no other worker of the instance has a batch.
 *
 * Chosen before any is locked, by date alone: that is what the partial indexes have. In the order of ids, in which rows
 * are locked, PostgreSQL would walk the primary key past all that are not due; by date and id it would read and sort all
 * of one date each time. Who is locked is asked again whether it is due.
 */
function inBatch(db: Db, scope: Scope, isDue: Condition, date: AnyPgColumn, limit: number): Condition {
  const chosen = db
    .select({ id: sessions.id })
    .from(sessions)
    .where(and(isOurTurn(scope), scope, isDue))
    .orderBy(date)
    .limit(limit);
  return sql`${sessions.id} = any(array(${chosen}))`;
}

// Until the statement is committed. A select of its own, so that it is asked once and not for each row.
function isOurTurn({ instanceId }: Scope): SQL {
  return sql`(select pg_try_advisory_xact_lock(${retentionLock}, hashtext(${instanceId})))`;
}
