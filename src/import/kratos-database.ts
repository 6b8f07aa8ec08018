import postgres, { type TransactionSql } from "postgres";
import { ImportError } from "./store.ts";

/** A row of Kratos's `identities`; times as PostgreSQL prints them in UTC, `2026-01-02 03:04:05.123456+00`. */
export interface KratosIdentity {
  id: string;
  created_at: string;
  updated_at: string;
  organization_id: string | null;
  state: string;
  schema_id: string;
  traits: unknown;
  metadata_public: unknown;
  available_aal: string | null;
  /** How long its JSON is. */
  bytes: number;
}

/** A row of Kratos's `sessions`, with the organization of its identity and the device on which it was created. */
export interface KratosSession {
  id: string;
  created_at: string;
  updated_at: string;
  expires_at: string;
  authenticated_at: string;
  identity_id: string;
  organization_id: string | null;
  token: string | null;
  active: boolean | null;
  aal: string;
  authentication_methods: unknown;
  ip_address: string | null;
  user_agent: string | null;
}

/** What one network of a Kratos database holds, all as it was at one moment. */
export interface KratosDirectory {
  /** How many rows there are. */
  size: number;
  identities(): AsyncIterable<KratosIdentity>;
  sessions(): AsyncIterable<KratosSession>;
}

/** Which network of which database is read; without a network it must hold no more than one. */
export interface KratosSource {
  url: string;
  network: string | undefined;
}

// Each of a KiB or so: enough for a round trip to cost nothing, few enough to be held at once.
const rowsPerFetch = 500;
const snapshot = "isolation level repeatable read read only";
const columns = {
  identities: ["id", "nid", "created_at", "updated_at", "state", "schema_id", "traits", "metadata_public"],
  sessions: [
    ...["id", "nid", "created_at", "updated_at", "expires_at", "authenticated_at", "identity_id", "token", "active"],
    ...["aal", "authentication_methods"],
  ],
  session_devices: ["id", "session_id", "created_at", "ip_address", "user_agent"],
};
// Its own words may quote parts of the URL, which are parts of the password if that is not written as a URL wants it.
const failures: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens at its address",
  ENOTFOUND: "its host is not known",
  EAI_AGAIN: "its host is not known",
  ETIMEDOUT: "it does not answer",
  CONNECT_TIMEOUT: "it does not answer",
  ECONNRESET: "the connection was lost",
  EPIPE: "the connection was lost",
  CONNECTION_CLOSED: "the connection was lost",
  CONNECTION_ENDED: "the connection was lost",
  CONNECTION_DESTROYED: "the connection was lost",
  "57P01": "the connection was lost",
  "28P01": "it refuses the user or the password",
  "28000": "it refuses the user or the password",
  "3D000": "it has no database of that name",
};

/**
 * Reads a Kratos database in one read-only transaction, so that all of it is of one moment, and changes nothing there.
 *
 * Throws ImportError if it cannot be reached, is none of Kratos's, or does not say which network is meant. What `use`
 * throws passes; the rows that it reads fail as soon as the connection is lost.
 */
export async function readKratos<T>(source: KratosSource, use: (kratos: KratosDirectory) => Promise<T>): Promise<T> {
  let lost: ImportError | undefined;
  let giveUp = (_error: ImportError) => {};
  const client = connect(source.url, () => {
    lost = new ImportError("the Kratos database cannot be read: the connection was lost");
    giveUp(lost);
  });
  // The driver leaves a query of a lost connection waiting for ever, and ends the process if it is asked for more. One
  // answer is waited for at a time; a race with one promise of the loss would keep every answer in memory.
  const during: During = <A>(ask: () => PromiseLike<A>) =>
    new Promise<A>((resolve, reject) => {
      giveUp = reject;
      if (lost) reject(lost);
      else ask().then(resolve, reject);
    }).catch(toFailure);
  let work: Promise<T> | undefined;
  const transaction = client.begin(snapshot, async (sql) => {
    work = openDirectory(sql, source.network, during).then(use);
    await work.catch(() => {});
    // To go on would be to commit.
    if (lost) await new Promise(() => {});
  });
  try {
    await transaction.catch((error) => work ?? toFailure(error));
    if (work === undefined) throw new ImportError("the Kratos database cannot be read: it does not answer");
    return await work;
  } finally {
    await client.end({ timeout: 1 });
  }
}

/** Asks the database, and waits for its answer as long as it is there. */
type During = <T>(ask: () => PromiseLike<T>) => Promise<T>;

function connect(text: string, onclose: () => void): postgres.Sql {
  try {
    const url = new URL(text);
    if (!/^postgres(ql)?:$/.test(url.protocol)) throw new TypeError(url.protocol);
    // Kratos takes settings of its connection pool there, which PostgreSQL would refuse.
    for (const name of new Set(url.searchParams.keys())) {
      if (name !== "sslmode" && name !== "search_path") url.searchParams.delete(name);
    }
    return postgres(url.href, {
      max: 1,
      max_lifetime: null,
      // Nothing is prepared or set but for the transaction: there may be a connection pooler in between.
      prepare: false,
      fetch_types: false,
      connection: { application_name: "rollcall-import" },
      onnotice: () => {},
      onclose,
    });
  } catch {
    // Nothing of the URL is repeated, and no cause: it holds a password.
    const rule = "must be a URL that begins with postgres:// or postgresql://, special characters written as %XX";
    throw new ImportError(`the address of the Kratos database ${rule}`);
  }
}

function toFailure(error: unknown): never {
  if (error instanceof ImportError) throw error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const told = error instanceof postgres.PostgresError ? error.message : code || "it does not answer";
  throw new ImportError(`the Kratos database cannot be read: ${failures[code] ?? told}`);
}

async function openDirectory(sql: TransactionSql, network: string | undefined, during: During) {
  await during(() => sql`set local timezone to 'UTC'`);
  await during(() => sql`set local datestyle to 'ISO'`);
  // We may be slower than the database is used to.
  await during(() => sql`set local statement_timeout to 0`);
  await during(() => sql`set local idle_in_transaction_session_timeout to 0`);
  const known = await during(() => readColumns(sql));
  const { nid, size } = chooseNetwork(await during(() => readNetworks(sql)), network);
  const optional = (name: string) => (known.has(`identities.${name}`) ? sql`i.${sql(name)}` : sql`null`);
  const read = <Row>(query: postgres.PendingQuery<postgres.Row[]>) => readRows<Row>(query, during);
  return {
    size,
    identities: () =>
      read<KratosIdentity>(sql`
        select i.id, i.state, i.schema_id, i.traits, i.metadata_public,
          ${optional("organization_id")}::text as organization_id, ${optional("available_aal")} as available_aal,
          (i.created_at at time zone 'UTC')::text as created_at, (i.updated_at at time zone 'UTC')::text as updated_at,
          octet_length(i.traits::text) + coalesce(octet_length(i.metadata_public::text), 0) as bytes
        from identities i where i.nid = ${nid}::uuid`),
    sessions: () =>
      read<KratosSession>(sql`
        select s.id, s.identity_id, s.token, s.active, s.aal, s.authentication_methods, d.ip_address, d.user_agent,
          (s.created_at at time zone 'UTC')::text as created_at, (s.updated_at at time zone 'UTC')::text as updated_at,
          (s.expires_at at time zone 'UTC')::text as expires_at,
          (s.authenticated_at at time zone 'UTC')::text as authenticated_at,
          ${optional("organization_id")}::text as organization_id
        from sessions s join identities i on i.id = s.identity_id
        left join lateral (
          select ip_address, user_agent from session_devices where session_id = s.id order by created_at, id limit 1
        ) as d on true
        where s.nid = ${nid}::uuid`),
  };
}

async function readColumns(sql: TransactionSql): Promise<Set<string>> {
  const rows = await sql<{ name: string }[]>`
    select c.relname || '.' || a.attname as name
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.oid in (to_regclass('identities'), to_regclass('sessions'), to_regclass('session_devices'))
      and a.attnum > 0 and not a.attisdropped`;
  const known = new Set(rows.map(({ name }) => name));
  const needed = Object.entries(columns).flatMap(([table, names]) => names.map((name) => `${table}.${name}`));
  const missing = needed.filter((name) => !known.has(name));
  if (missing.length > 0) throw new ImportError(`the database is not one of Kratos's: it has no ${missing.join(", ")}`);
  return known;
}

interface Network {
  nid: string;
  sessions: number;
  size: number;
}

// A row without a network is one that Kratos itself does not find.
function readNetworks(sql: TransactionSql): PromiseLike<Network[]> {
  return sql<Network[]>`
    select nid::text as nid, sum(session)::float8 as sessions, count(*)::float8 as size
    from (select nid, 0 as session from identities union all select nid, 1 from sessions) as rows
    where nid is not null group by nid order by nid`;
}

function chooseNetwork(networks: readonly Network[], wanted: string | undefined): Network {
  const [only, ...others] = networks;
  const list = networks.map(({ nid, sessions }) => `${nid} (${sessions} sessions)`).join(", ");
  if (wanted !== undefined) {
    const found = networks.find(({ nid }) => nid === wanted.toLowerCase());
    if (!found) throw new ImportError(`the Kratos database has no such network; it has ${list || "none"}`);
    return found;
  }
  if (others.length > 0) {
    throw new ImportError(`the Kratos database has several networks, choose one with --network: ${list}`);
  }
  return only ?? { nid: "00000000-0000-0000-0000-000000000000", sessions: 0, size: 0 };
}

async function* readRows<Row>(query: postgres.PendingQuery<postgres.Row[]>, during: During): AsyncGenerator<Row> {
  const batches = query.cursor(rowsPerFetch)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const batch = await during(async () => batches.next());
      if (batch.done) return;
      // Safe: the query names the columns of the row.
      yield* batch.value as unknown as Row[];
    }
  } finally {
    // Else the end of the transaction would wait behind it for ever.
    await during(async () => batches.return?.()).catch(() => {});
  }
}
