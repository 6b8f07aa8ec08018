import { and, count, desc, eq, getTableColumns, max, sql } from "drizzle-orm";
import type { PgDatabase } from "drizzle-orm/pg-core";
import type { PostgresJsQueryResultHKT } from "drizzle-orm/postgres-js";
import type { Scope } from "./access.ts";
import { type Condition, isLive, isOfUser } from "./filter.ts";
import type { Instant } from "./instant.ts";
import { isBehind, type OffsetPage, orderBy, type Position } from "./page.ts";
import { isDisabled, type SessionOfUser, sessions, users } from "./schema.ts";

/** Where queries run: the database, or one transaction in it. */
export type Db = PgDatabase<PostgresJsQueryResultHKT>;

/** Which sessions a list holds (those that meet every condition), and which part of it is wanted. */
export interface SessionQuery {
  conditions: readonly Condition[];
  page: OffsetPage;
}

/** One page of a list, and how long the whole list is. */
export interface SessionPage {
  sessions: SessionOfUser[];
  /** All sessions in scope that meet the conditions, whichever page was asked for. */
  total: number;
  /** The highest change sequence of the instance; 0n if it has no session. */
  processedSequence: bigint;
}

/**
 * One page of the sessions in scope that meet every condition, by creation date and id, with the total.
 *
 * One statement, so one snapshot: page and total always agree, and a page past the end still knows the total.
 */
export async function listSessions(db: Db, scope: Scope, { conditions, page }: SessionQuery): Promise<SessionPage> {
  const matching = and(scope, ...conditions);
  const summary = db
    .select({
      total: sql`(${db.select({ n: count() }).from(sessions).where(matching)})`.mapWith(Number).as("total"),
      processedSequence: sql`coalesce((${highestSequence(db, scope.instanceId)}), 0)`.mapWith(BigInt).as("processed"),
    })
    .from(sql`(values (1)) as one`)
    .as("summary");
  const rows = db
    .select()
    .from(sessions)
    .where(matching)
    .orderBy(...orderBy(page.order, sessions))
    .limit(page.limit)
    .offset(page.offset)
    .as("page");
  const found = await db
    .select()
    .from(summary)
    .leftJoin(rows, sql`true`)
    .leftJoin(users, and(eq(users.instanceId, rows.instanceId), eq(users.id, rows.userId)))
    .orderBy(...orderBy(page.order, rows));
  return {
    sessions: found.flatMap(({ page: session, users: user }) => (session === null ? [] : [{ session, user }])),
    total: found[0]?.summary.total ?? 0,
    processedSequence: found[0]?.summary.processedSequence ?? 0n,
  };
}

/**
 * At most `limit` sessions in scope that meet every condition, newest first, from behind a place (or the start); `next`
 * is the place behind them, undefined if none comes after.
 *
 * As fast at any depth, and it does not count: a session that is there throughout is on exactly one page, whatever is
 * created and ended between the pages.
 */
export async function listSessionsAfter(
  db: Db,
  scope: Scope,
  { conditions, after, limit }: { conditions: readonly Condition[]; after: Position | undefined; limit: number },
): Promise<{ sessions: SessionOfUser[]; next: Position | undefined }> {
  const found = await db
    .select()
    .from(sessions)
    .leftJoin(users, and(eq(users.instanceId, sessions.instanceId), eq(users.id, sessions.userId)))
    .where(and(scope, ...conditions, after && isBehind(after)))
    .orderBy(...orderBy("newest_first", sessions))
    // One more tells whether any comes after.
    .limit(limit + 1);
  const page = found.slice(0, limit).map(({ sessions: session, users: user }) => ({ session, user }));
  const last = page.at(-1)?.session;
  return { sessions: page, next: found.length > limit ? last : undefined };
}

/** The session in scope that meets every condition; undefined if there is none. */
export async function findSession(
  db: Db,
  scope: Scope,
  conditions: readonly Condition[] = [],
): Promise<SessionOfUser | undefined> {
  const [found] = await db
    .select()
    .from(sessions)
    .leftJoin(users, and(eq(users.instanceId, sessions.instanceId), eq(users.id, sessions.userId)))
    .where(and(scope, ...conditions))
    .limit(1);
  return found && { session: found.sessions, user: found.users };
}

/** At most this many accounts are listed for one user agent: a fingerprint that many people share is no browser. */
export const accountLimit = 1_000;

/** One user's place in a user agent: their live session there, or else the newest, ended and expired ones included. */
export interface Account extends SessionOfUser {
  live: boolean;
}

/**
 * One account for each user with a session in scope, live ones first, then the most recently changed, at most
 * {@link accountLimit}.
 *
 * Of several live sessions of a user the one created last stands for them.
 */
export async function listAccounts(db: Db, scope: Scope, now: Instant): Promise<Account[]> {
  const live = sql<boolean>`${isLive(now)}`;
  const accounts = db
    .selectDistinctOn([sessions.userId], { ...getTableColumns(sessions), live: live.as("live") })
    .from(sessions)
    .where(and(scope, isOfUser()))
    .orderBy(sessions.userId, desc(live), ...orderBy("newest_first", sessions))
    .as("account");
  const found = await db
    .select()
    .from(accounts)
    .leftJoin(users, and(eq(users.instanceId, accounts.instanceId), eq(users.id, accounts.userId)))
    .orderBy(desc(accounts.live), desc(accounts.changedAt), desc(accounts.id))
    .limit(accountLimit);
  return found.map(({ account: { live, ...session }, users: user }) => ({ session, user, live }));
}

/** What the directory knows of a caller beyond their token. */
export interface Standing {
  /** Whether they are a known user who has been disabled. */
  isDisabled: boolean;
  /** The fingerprint of the user agent that their session lives in; undefined if either is not known. */
  agentId: string | undefined;
}

/** How a user stands; `sessionId` names the one of their sessions in scope whose user agent they sit at. */
export async function findStanding(
  db: Db,
  scope: Scope,
  { userId, sessionId }: { userId: string; sessionId: string | undefined },
): Promise<Standing> {
  const isTheirs = sessionId === undefined ? sql`false` : and(scope, eq(sessions.id, sessionId));
  const [found] = await db
    .select({ state: users.state, agentId: sessions.agentFingerprintId })
    .from(sql`(values (1)) as one`)
    .leftJoin(users, and(eq(users.instanceId, scope.instanceId), eq(users.id, userId)))
    .leftJoin(sessions, isTheirs);
  return { isDisabled: !!found?.state && isDisabled({ state: found.state }), agentId: found?.agentId || undefined };
}

function highestSequence(db: Db, instanceId: string) {
  return db
    .select({ highest: max(sessions.sequence) })
    .from(sessions)
    .where(eq(sessions.instanceId, instanceId));
}
