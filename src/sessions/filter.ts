import { and, eq, gt, gte, isNotNull, isNull, lt, lte, ne, not, or, type SQL, sql } from "drizzle-orm";
import type { AnyPgColumn } from "drizzle-orm/pg-core";
import type { Instant } from "./instant.ts";
import { factorColumns, noneOf, sessions } from "./schema.ts";

/** A condition on a session. Undefined is the one that all of them meet. */
export type Condition = SQL | undefined;

/** How a moment is compared with the one that was given. */
export type Comparison = "equal" | "after" | "at_or_after" | "before" | "at_or_before";

const comparisons = { equal: eq, after: gt, at_or_after: gte, before: lt, at_or_before: lte };

/** Its id is one of these; no id matches nothing. One array, so that no number of ids is too many parameters. */
export const hasIdIn = (ids: readonly string[]): Condition => isAnyOf(sessions.id, ids);

/** It is another one than this. */
export const isNot = (id: string): Condition => ne(sessions.id, id);

/** Its checked user is this one; "" matches nothing. */
export const hasUser = (userId: string): Condition => is(sessions.userId, userId);

/** Its checked user is one of these. */
export const hasUserIn = (userIds: readonly string[]): Condition => isAnyOf(sessions.userId, userIds);

/** This user created it. */
export const hasCreator = (userId: string): Condition => is(sessions.creatorId, userId);

/** It lives in this user agent. */
export const hasAgent = (fingerprintId: string): Condition => is(sessions.agentFingerprintId, fingerprintId);

/** It was created then. */
export const isCreated = (comparison: Comparison, at: Instant): Condition =>
  comparisons[comparison](sessions.createdAt, at);

/** It expires then; one that never expires does so after any moment. */
export const expires = (comparison: Comparison, at: Instant): Condition =>
  comparison === "after" || comparison === "at_or_after"
    ? or(isNull(sessions.expiresAt), comparisons[comparison](sessions.expiresAt, at))
    : comparisons[comparison](sessions.expiresAt, at);

/** It was ended then. */
export const isEnded = (comparison: Comparison, at: Instant): Condition =>
  comparisons[comparison](sessions.endedAt, at);

/** It was not ended; it may be expired. */
export const isNotEnded = (): Condition => isNull(sessions.endedAt);

/** It has a checked user. */
export const isOfUser = (): Condition => isNotNull(sessions.userId);

/** Its user has proven by at least one factor who they are; that they were named proves nothing. */
export const hasFactor = (): Condition => not(noneOf(factorColumns(sessions)));

/** It is good for use at `now`: neither ended nor expired. */
export const isLive = (now: Instant): Condition => and(isNotEnded(), expires("after", now));

/** It is good for nothing any more at `now`: ended or expired. */
export const isOver = (now: Instant): Condition => or(isNotNull(sessions.endedAt), expires("at_or_before", now));

function is(column: AnyPgColumn, value: string): SQL {
  return isStorable(value) ? eq(column, value) : sql`false`;
}

function isAnyOf(column: AnyPgColumn, values: readonly string[]): SQL {
  return sql`${column} = any(${sql.param(values.filter(isStorable))}::text[])`;
}

// PostgreSQL keeps no NUL in a text and refuses a query that has one, so nothing that is stored can match it.
function isStorable(value: string): boolean {
  return !value.includes("\0");
}
