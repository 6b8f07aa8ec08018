import { DrizzleQueryError, getTableColumns, type SQL, sql } from "drizzle-orm";
import { SessionError } from "../errors.ts";
import { type Session, sessions, type User, users } from "./schema.ts";
import type { Db } from "./store.ts";
import { describeColumns, insertUnknown, upsert } from "./upsert.ts";

/** A session of another system; its sequence is ours to give. */
export type ImportedSession = Omit<Session, "sequence">;

/** A user of another system; when they came and changed here is ours to know. */
export type ImportedUser = Omit<User, "createdAt" | "changedAt">;

/** A session to be stored; of what is left out or undefined, what is stored stays. */
export type GivenSession = Partly<ImportedSession, (typeof keptOfSession)[number]>;

/** A user to be stored, with dates if they bring their own; of what is left out or undefined, what is stored stays. */
export type GivenUser = Partly<User, (typeof keptOfUser)[number] | "changedAt">;

type Partly<Row, Key extends keyof Row> = Omit<Row, Key> & Partial<Pick<Row, Key>>;

/** What is stored of a user of whom no more than the names is known. */
export const plainIdentity = {
  state: "active",
  traits: null,
  schemaId: "default",
  metadataPublic: null,
  availableAal: null,
} as const satisfies Partial<User>;

/** Which user is meant, or which session, in which instance. */
export interface Key {
  instanceId: string;
  id: string;
}

/** What is to be stored. A named user is one as a session knows them: they are only stored if no such user is known. */
export type ImportRecord =
  | { kind: "user" | "named_user"; user: GivenUser }
  | { kind: "session"; session: GivenSession };

/** How many rows were inserted or changed. */
export interface ImportCount {
  users: number;
  namedUsers: number;
  sessions: number;
  /** How many records changed anything, named users left out. */
  changed: number;
}

/** Records that are ready to be stored. */
export interface PackedRecords {
  readonly statement: SQL;
  /** What has to be locked before the statement looks at anything, in the same transaction. */
  readonly lock?: SQL;
}

/**
 * Prepares records for storing, which is as much work for us as storing them is for PostgreSQL: the one can be done
 * for some records while the other runs for those before.
 *
 * Of several records with one id the last one counts, of named users the first, as if each were stored by itself.
 */
export function packRecords(records: readonly ImportRecord[]): PackedRecords {
  const rows = sortOut(records);
  // One statement, so one transaction; no user is in both lists, for a statement must not write a row twice.
  return {
    statement: sql`
      with changed_users as (${upsert(users, userColumns, rows.users)} returning 1),
        new_users as (${insertUnknown(users, userColumns, rows.namedUsers)} returning 1),
        changed_sessions as (${upsert(sessions, sessionColumns, rows.sessions, ["sequence"])} returning 1),
        count as (
          select (select count(*)::int from changed_users) as "users",
            (select count(*)::int from new_users) as "namedUsers",
            (select count(*)::int from changed_sessions) as "sessions"
        )
      select *, "users" + "sessions" as "changed" from count`,
  };
}

/**
 * Stores records, all or none, and counts the rows that became other than they were.
 *
 * A changed session takes the next sequence; one that is stored already is not touched at all.
 *
 * Throws SessionError `invalid_request` if PostgreSQL refuses the data.
 */
export async function storeRecords(db: Db, { statement, lock }: PackedRecords): Promise<ImportCount> {
  const run = async (db: Db) => await db.execute<{ [K in keyof ImportCount]: number }>(statement);
  const lockAndRun = (lock: SQL) =>
    db.transaction(async (transaction) => {
      await transaction.execute(lock);
      return await run(transaction);
    });
  const [count] = await (lock === undefined ? run(db) : lockAndRun(lock)).catch(failed);
  return count ?? { users: 0, namedUsers: 0, sessions: 0, changed: 0 };
}

// A record that does not know these has them kept: a token cannot be had back, who is disabled must stay so, and whoever
// is being disabled must not lose their name by it.
const keptOfSession = ["tokenHash", "endedAt", "endReason", "endedBy"] as const;
const keptOfUser = [
  "userName",
  "loginName",
  "displayName",
  "avatarUrl",
  "state",
  "traits",
  "schemaId",
  "metadataPublic",
  "availableAal",
  "createdAt",
] as const;

const { sequence: _sequence, ...importedSessionColumns } = getTableColumns(sessions);
const sessionColumns = describeColumns<GivenSession>(importedSessionColumns, keptOfSession);
const userColumns = describeColumns<GivenUser>(getTableColumns(users), keptOfUser, ["changedAt"]);
// The last digits vary: the data is wrong (22), breaks a constraint (23), or is too large for an index (54).
const dataErrors = /^(22|23|54)/;
const tokenIndex = "sessions_token_idx";

function sortOut(records: readonly ImportRecord[]) {
  const known = new Map<string, GivenUser>();
  const named = new Map<string, GivenUser>();
  const stored = new Map<string, GivenSession>();
  for (const record of records) {
    if (record.kind === "session") put(stored, record.session);
    else if (record.kind === "user") put(known, record.user);
    else if (!named.has(keyOf(record.user))) named.set(keyOf(record.user), record.user);
  }
  for (const key of known.keys()) named.delete(key);
  return { users: inOrder(known), namedUsers: inOrder(named), sessions: inOrder(stored) };
}

// As whoever else changes many rows at once locks them, or two could wait for each other for ever.
function inOrder<Row extends Key>(rows: Map<string, Row>): Row[] {
  return [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

// What the later record leaves out stays as the earlier one has it, as it would if that were stored; but for the date of
// the last change, which is its own.
function put<Row extends GivenUser | GivenSession>(rows: Map<string, Row>, row: Row): void {
  const former = rows.get(keyOf(row));
  const brought = former && Object.entries(row).filter(([, value]) => value !== undefined);
  rows.set(keyOf(row), brought ? { ...former, changedAt: undefined, ...Object.fromEntries(brought) } : row);
}

/** A text that stands for a key, and for no other one. */
export function keyOf({ instanceId, id }: Key): string {
  return `${instanceId}\0${id}`;
}

// Not the query builder's own error: its message is the statement and every value.
function failed(error: unknown): never {
  const cause = error instanceof DrizzleQueryError && error.cause ? error.cause : error;
  if (cause instanceof Error && "constraint_name" in cause && cause.constraint_name === tokenIndex) {
    throw new SessionError("invalid_request", "token is that of another session", { cause });
  }
  if (cause instanceof Error && "code" in cause && dataErrors.test(String(cause.code))) {
    throw new SessionError("invalid_request", `the database refuses it: ${cause.message}`, { cause });
  }
  throw cause;
}
