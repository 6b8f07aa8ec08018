import { type SQL, sql } from "drizzle-orm";
import { toSnakeCase } from "drizzle-orm/casing";
import type { AnyPgColumn, PgTable } from "drizzle-orm/pg-core";

interface Column<Row> {
  key: keyof Row & string;
  type: string;
  toDriver: (value: unknown) => unknown;
  /** What a row gets that does not bring it; undefined if every row brings it. */
  absent: SQL | undefined;
}

/** The columns of a table, in the order in which they are written. */
export type Columns<Row> = readonly Column<Row>[];

/**
 * Describes columns. Of those in `kept` and `renewed` a row may leave a value out, as undefined: it is then what is
 * stored, or else the default; or the default every time, for what tells of the last change.
 */
export function describeColumns<Row>(
  columns: Record<keyof Row & string, AnyPgColumn>,
  kept: readonly (keyof Row)[],
  renewed: readonly (keyof Row)[] = [],
): Columns<Row> {
  // Safe: the keys of the parameter's type.
  const entries = Object.entries(columns) as [keyof Row & string, AnyPgColumn][];
  return entries.map(([key, column]) => {
    const stored = sql`stored.${name(key)}`;
    const fallback = sql`${column.default}`;
    const keptOrDefault = column.default === undefined ? stored : sql`coalesce(${stored}, ${fallback})`;
    return {
      key,
      // A cast takes the name alone, without a collation.
      type: column.getSQLType().replace(/ collate .*/, ""),
      toDriver: (value) => (value === null || value === undefined ? null : column.mapToDriverValue(value)),
      absent: renewed.includes(key) ? fallback : kept.includes(key) ? keptOrDefault : undefined,
    };
  });
}

/**
 * Inserts rows, changes those that are stored otherwise, and does not touch those that are stored already.
 *
 * `renewed` are columns beside those, whose default, which tells of the last change, a changed row takes anew.
 */
export function upsert<Row>(table: PgTable, columns: Columns<Row>, rows: readonly Row[], renewed: string[] = []): SQL {
  const assignments = [
    ...columns.map(({ key }) => sql`${name(key)} = excluded.${name(key)}`),
    // Not `excluded`: that was made before the row was locked, maybe before a change of another process's.
    ...renewed.map((key) => sql`${name(key)} = default`),
  ];
  // Unchanged rows are left out first: `on conflict` would lock each of them and waste a sequence on it. Should another
  // process change a row in between, then what is kept of it is what was there before: a race we accept.
  return sql`
    ${insertInto(table, columns, rows)}
    where stored.id is null or ${isUnlikeStored(columns)}
    on conflict (instance_id, id) do update set ${sql.join(assignments, sql`, `)}
    where (${list(columns, table)}) is distinct from (${list(columns, sql`excluded`)})`;
}

/** Inserts those rows of which nothing is stored. */
export function insertUnknown<Row>(table: PgTable, columns: Columns<Row>, rows: readonly Row[]): SQL {
  return sql`${insertInto(table, columns, rows)} where stored.id is null on conflict do nothing`;
}

// An array for each column: several times faster than a parameter for each value, whose number is limited too.
// `offset 0` makes it look up what is stored row by row; as a plain join, PostgreSQL may choose to read the whole table
// for each batch.
function insertInto<Row>(table: PgTable, columns: Columns<Row>, rows: readonly Row[]): SQL {
  const absentable = columns.filter(({ absent }) => absent);
  const values = columns.map(({ key, type, toDriver }) => toArray(rows, type, (row) => toDriver(row[key])));
  const isAbsent = absentable.map(({ key }) =>
    toArray(rows, "boolean", (row) => (row[key] === undefined ? true : null)),
  );
  const names = columns.map(({ key }) => name(key));
  const flags = absentable.map(({ key }) => flag(key));
  const chosen = columns.map(({ key, absent }) => {
    const given = sql`given.${name(key)}`;
    return absent ? sql`case when given.${flag(key)} then ${absent} else ${given} end` : given;
  });
  return sql`
    insert into ${table} (${sql.join(names, sql`, `)})
    select ${sql.join(chosen, sql`, `)}
    from unnest(${sql.join([...values, ...isAbsent], sql`, `)}) as given (${sql.join([...names, ...flags], sql`, `)})
    left join lateral (
      select * from ${table} where (${table}.instance_id, ${table}.id) = (given.instance_id, given.id) offset 0
    ) as stored on true`;
}

function isUnlikeStored<Row>(columns: Columns<Row>): SQL {
  const needed = columns.filter(({ absent }) => !absent);
  const unlike = columns
    .filter(({ absent }) => absent)
    .map(({ key }) => sql`(given.${flag(key)} is null and given.${name(key)} is distinct from stored.${name(key)})`);
  const all = sql`(${list(needed, sql`given`)}) is distinct from (${list(needed, sql`stored`)})`;
  return sql.join([all, ...unlike], sql` or `);
}

function toArray<Row>(rows: readonly Row[], type: string, read: (row: Row) => unknown): SQL {
  return sql`${toArrayLiteral(rows.map(read))}::${sql.raw(type)}[]`;
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

function flag(key: string): SQL {
  return sql`${sql.identifier(`${toSnakeCase(key)}_is_absent`)}`;
}
