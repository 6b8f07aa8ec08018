import { and, eq, getTableColumns, gt, isNull, lte, or, type SQL } from "drizzle-orm";
import type { Instant } from "./instant.ts";
import { type ApiToken, apiTokens, type User, users } from "./schema.ts";
import type { Db } from "./store.ts";

/** A service's token as its operator may see it. */
export type ShownApiToken = Omit<ApiToken, "tokenHash">;

/** What a token that is good says, with its user; null if they are not known. */
export interface ApiTokenOfUser {
  token: Pick<ApiToken, "userId" | "scope">;
  user: Pick<User, "state"> | null;
}

const { tokenHash: _tokenHash, ...shownColumns } = getTableColumns(apiTokens);
const minuteMicros = 60_000_000n;

/** Stores a token. */
export async function insertApiToken(db: Db, token: ApiToken): Promise<void> {
  await db.insert(apiTokens).values(token);
}

/** Every token of an instance, expired ones too, by user and creation date. */
export async function listApiTokens(db: Db, instanceId: string): Promise<ShownApiToken[]> {
  return await db
    .select(shownColumns)
    .from(apiTokens)
    .where(eq(apiTokens.instanceId, instanceId))
    .orderBy(apiTokens.userId, apiTokens.createdAt, apiTokens.id);
}

/** Removes a token of an instance; false if there is none with that id. */
export async function revokeApiToken(db: Db, instanceId: string, id: string): Promise<boolean> {
  const revoked = await db
    .delete(apiTokens)
    .where(and(eq(apiTokens.instanceId, instanceId), eq(apiTokens.id, id)))
    .returning({ id: apiTokens.id });
  return revoked.length > 0;
}

/**
 * Finds the token of an instance with this hash that is not expired at `now`, and records that it was used then, unless
 * that was recorded less than a minute ago; undefined if there is none.
 *
 * One statement, which may be cancelled and repeated. It records the use also if the user is disabled, which is for the
 * caller to judge.
 */
export async function useApiToken(
  db: Db,
  instanceId: string,
  tokenHash: Buffer,
  now: Instant,
): Promise<ApiTokenOfUser | undefined> {
  const isGood = and(
    eq(apiTokens.instanceId, instanceId),
    eq(apiTokens.tokenHash, tokenHash),
    or(isNull(apiTokens.expiresAt), gt(apiTokens.expiresAt, now)),
  );
  const used = db.$with("used").as(
    db
      .update(apiTokens)
      .set({ lastUsedAt: now })
      .where(and(eq(apiTokens.instanceId, instanceId), eq(apiTokens.id, dueId(db, isGood, now)))),
  );
  const [found] = await db
    .with(used)
    .select({ token: { userId: apiTokens.userId, scope: apiTokens.scope }, user: { state: users.state } })
    .from(apiTokens)
    .leftJoin(users, and(eq(users.instanceId, apiTokens.instanceId), eq(users.id, apiTokens.userId)))
    .where(isGood);
  return found;
}

// Of parallel requests at the minute's border one takes the row and the others pass it by: none waits for another's
// write. Who comes just after the write sees the row as it is once it is locked, and leaves it.
function dueId(db: Db, isGood: SQL | undefined, now: Instant) {
  const isDue = or(isNull(apiTokens.lastUsedAt), lte(apiTokens.lastUsedAt, now - minuteMicros));
  return db.select({ id: apiTokens.id }).from(apiTokens).where(and(isGood, isDue)).for("update", { skipLocked: true });
}
