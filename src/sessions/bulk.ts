import { DrizzleQueryError, getTableColumns, type SQL, sql } from "drizzle-orm";
import { toSnakeCase } from "drizzle-orm/casing";
import type { AnyPgColumn, PgTable } from "drizzle-orm/pg-core";
import { SessionError } from "../errors.ts";
import { type Session, sessions, type User, users } from "./schema.ts";
import type { Db } from "./store.ts";

/** A session of another system; its sequence is ours to give. */
export type ImportedSession = Omit<Session, "sequence">;

/** A user of another system; when they came and changed here is ours to know. */
export type ImportedUser = Omit<User, "createdAt" | "changedAt">;

/** What is stored of a user of whom no more than the names is known. */
export const plainIdentity = {
  state: "active",
  traits: null,
  schemaId: "default",
  metadataPublic: null,
  availableAal: null,
} as const satisfies Partial<User>;

/** What is to be stored. A named user is one as a session knows them: they are only stored if no such user is known. */
export type ImportRecord =
  | { kind: "user" | "named_user"; user: ImportedUser }
  | { kind: "session"; session: ImportedSession };

/** How many rows were inserted or changed. */
export interface ImportCount {
  users: number;
  namedUsers: number;
  sessions: number;
}

/** Records that are ready to be stored. */
export interface PackedRecords {
  readonly statement: SQL;
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
      with changed_users as (${upsert(users, userColumns, "changedAt", rows.users)} returning 1),
        new_users as (${insertUnknown(users, userColumns, rows.namedUsers)} returning 1),
        changed_sessions as (${upsert(sessions, sessionColumns, "sequence", rows.sessions)} returning 1)
      select (select count(*)::int from changed_users) as "users",
        (select count(*)::int from new_users) as "namedUsers",
        (select count(*)::int from changed_sessions) as "sessions"`,
  };
}

/**
 * Stores records, all or none, and counts the rows that became other than they were.
 *
 * A changed session takes the next sequence; one that is stored already is not touched at all.
 *
 * Throws SessionError `invalid_request` if PostgreSQL refuses the data.
 */
export async function storeRecords(db: Db, { statement }: PackedRecords): Promise<ImportCount> {
  const [count] = await db.execute<{ [K in keyof ImportCount]: number }>(statement).catch(failed);
  return count ?? { users: 0, namedUsers: 0, sessions: 0 };
}

type Columns<Row> = { key: keyof Row & string; type: string; toDriver: (value: unknown) => unknown }[];

const { sequence: _sequence, ...importedSessionColumns } = getTableColumns(sessions);
const sessionColumns = describe<ImportedSession>(importedSessionColumns);
const { createdAt: _createdAt, changedAt: _changedAt, ...importedUserColumns } = getTableColumns(users);
const userColumns = describe<ImportedUser>(importedUserColumns);
// The last digits vary: the data is wrong (22), breaks a constraint (23), or is too large for an index (54).
const dataErrors = /^(22|23|54)/;

function describe<Row>(columns: Record<keyof Row & string, AnyPgColumn>): Columns<Row> {
  // Safe: the keys of the parameter's type.
  const entries = Object.entries(columns) as [keyof Row & string, AnyPgColumn][];
  return entries.map(([key, column]) => ({
    key,
    // A cast takes the name alone, without a collation.
    type: column.getSQLType().replace(/ collate .*/, ""),
    toDriver: (value) => (value === null ? null : column.mapToDriverValue(value)),
  }));
}

function sortOut(records: readonly ImportRecord[]) {
  const known = new Map<string, ImportedUser>();
  const named = new Map<string, ImportedUser>();
  const stored = new Map<string, ImportedSession>();
  for (const record of records) {
    if (record.kind === "session") stored.set(keyOf(record.session), record.session);
    else if (record.kind === "user") known.set(keyOf(record.user), record.user);
    else if (!named.has(keyOf(record.user))) named.set(keyOf(record.user), record.user);
  }
  for (const key of known.keys()) named.delete(key);
  return { users: [...known.values()], namedUsers: [...named.values()], sessions: [...stored.values()] };
}

function keyOf({ instanceId, id }: ImportedUser | ImportedSession): string {
  return `${instanceId}\0${id}`;
}

/** `renewed` is a column whose default, which tells of the last change, a changed row takes anew. */
function upsert<Row>(table: PgTable, columns: Columns<Row>, renewed: string, rows: readonly Row[]): SQL {
  const changed = [...columns.map(({ key }) => key), renewed];
  const assignments = changed.map((key) => sql`${name(key)} = excluded.${name(key)}`);
  const unlike = (other: SQL) => sql`(${list(columns, table)}) is distinct from (${list(columns, other)})`;
  // Unchanged rows are left out first: `on conflict` would lock each of them and waste a sequence on it. `offset 0`
  // makes it look them up one by one; as a join, PostgreSQL may choose to read the whole table for each batch.
  return sql`
    ${insertInto(table, columns, rows)}
    where not exists (
      select from ${table}
      where (${table}.instance_id, ${table}.id) = (given.instance_id, given.id) and not ${unlike(sql`given`)} offset 0
    )
    on conflict (instance_id, id) do update set ${sql.join(assignments, sql`, `)} where ${unlike(sql`excluded`)}`;
}

function insertUnknown<Row>(table: PgTable, columns: Columns<Row>, rows: readonly Row[]): SQL {
  return sql`${insertInto(table, columns, rows)} on conflict do nothing`;
}

// An array for each column: several times faster than a parameter for each value, whose number is limited too.
function insertInto<Row>(table: PgTable, columns: Columns<Row>, rows: readonly Row[]): SQL {
  const arrays = columns.map(({ key, type, toDriver }) => {
    const values = rows.map((row) => toDriver(row[key]));
    return sql`${toArrayLiteral(values)}::${sql.raw(type)}[]`;
  });
  const names = sql.join(
    columns.map(({ key }) => name(key)),
    sql`, `,
  );
  return sql`insert into ${table} (${names}) select * from unnest(${sql.join(arrays, sql`, `)}) as given (${names})`;
}

// By hand: the query builder has told the driver to pass arrays of dates on as they are.
function toArrayLiteral(values: readonly unknown[]): string | null {
  // No array is as good as one of nulls: `unnest` fills up the shorter ones.
  if (values.every((value) => value === null)) return null;
  let literal = "";
  for (const value of values) literal += value === null ? ",null" : `,${quote(toText(value))}`;
  return `{${literal.slice(1)}}`;
}

function toText(value: unknown): string {
  return Buffer.isBuffer(value) ? `\\x${value.toString("hex")}` : String(value);
}

function quote(text: string): string {
  return `"${text.includes('"') || text.includes("\\") ? text.replace(/["\\]/g, "\\$&") : text}"`;
}

function list<Row>(columns: Columns<Row>, owner: SQL | PgTable): SQL {
  return sql.join(
    columns.map(({ key }) => sql`${owner}.${name(key)}`),
    sql`, `,
  );
}

function name(key: string): SQL {
  return sql`${sql.identifier(toSnakeCase(key))}`;
}

// Not the query builder's own error: its message is the statement and every value.
function failed(error: unknown): never {
  const cause = error instanceof DrizzleQueryError && error.cause ? error.cause : error;
  if (cause instanceof Error && "code" in cause && dataErrors.test(String(cause.code))) {
    throw new SessionError("invalid_request", `the database refuses it: ${cause.message}`, { cause });
  }
  throw cause;
}
