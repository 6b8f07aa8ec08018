import { fileURLToPath } from "node:url";
import { PgDialect } from "drizzle-orm/pg-core";
import { drizzle, PostgresJsDatabase, PostgresJsSession } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import postgres, { type Sql } from "postgres";
import { createCancellable } from "./cancel.ts";
import type { Config } from "./config.ts";
import { startEmbedded } from "./embedded/server.ts";
import type { Db } from "./sessions/store.ts";

/** An open PostgreSQL database. */
export interface Database {
  /** For work that nobody gives up half-way. */
  readonly db: Db;
  /** For one request: once `signal` aborts, its queries fail, and the one that runs is cancelled in PostgreSQL too. */
  during(signal: AbortSignal): Db;
  /** The driver, for statements that the query builder cannot spell. */
  readonly client: Sql;
  /** Lets running queries finish, for 5 s at most, then closes every connection. */
  close(): Promise<void>;
}

const casing = "snake_case";
const oldestVersion = 15;
const migrationsFolder = fileURLToPath(new URL("../drizzle", import.meta.url));
// The driver waits for ever for a query whose connection was lost in the middle of it.
const closeSeconds = 5;
const reconnectSeconds = 0.1;
// Any constant of our own: two processes that start together must not migrate at the same time.
const migrationLock = 7_665_513;

/**
 * Opens the database that the configuration names, or else the embedded one, with the tables of this version.
 *
 * `onLost` is told if the embedded server stops by itself. Closing the database stops it.
 */
export async function openConfiguredDatabase(config: Config, onLost: (error: Error) => void): Promise<Database> {
  const { databaseUrl, databaseConnections: maxConnections, dataDir } = config;
  const embedded = databaseUrl === undefined ? await startEmbedded({ dataDir, onUnexpectedExit: onLost }) : undefined;
  const url = embedded?.url ?? databaseUrl ?? "";
  try {
    await migrateDatabase(url);
  } catch (cause) {
    await embedded?.close();
    throw new Error(`the database cannot be used: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  const database = openDatabase(url, { maxConnections });
  return {
    ...database,
    async close() {
      await database.close();
      await embedded?.close();
    },
  };
}

/** Connects to a PostgreSQL URL with at most `maxConnections` connections; the first query opens the first one. */
export function openDatabase(url: string, { maxConnections = 10 } = {}): Database {
  const client = connect(url, maxConnections);
  // Has the driver hand dates and JSON over as text, as the query builder wants them.
  drizzle({ client, casing });
  const dialect = new PgDialect({ casing });
  const cancellable = createCancellable(client, maxConnections);
  const during = (signal: AbortSignal) =>
    new PostgresJsDatabase(dialect, new PostgresJsSession(cancellable(signal), dialect, undefined), undefined);
  return {
    db: during(new AbortController().signal),
    during,
    client,
    close: () => client.end({ timeout: closeSeconds }),
  };
}

/**
 * Brings the tables of the database to this version; does nothing if they are.
 *
 * Throws if the server is older than PostgreSQL 15. Safe to run from several processes at once: the others wait.
 */
export async function migrateDatabase(url: string): Promise<void> {
  const client = connect(url, 1);
  try {
    const [server] = await client`select current_setting('server_version_num')::int / 10000 as version`;
    if (server?.version < oldestVersion) {
      throw new Error(`the database is PostgreSQL ${server?.version}; Rollcall needs ${oldestVersion} or newer`);
    }
    await client`select pg_advisory_lock(${migrationLock})`;
    await migrate(drizzle({ client, casing }), { migrationsFolder });
  } finally {
    // The lock goes with the connection.
    await client.end({ timeout: closeSeconds });
  }
}

function connect(url: string, max: number): Sql {
  const options = {
    max,
    // At most one query behind another on a connection, for cancelling one could hit the next. The driver's types lack it.
    max_pipeline: 1,
    connection: { application_name: "rollcall", TimeZone: "UTC" },
    // The driver would wait up to 20 s after failures, and hold every request for as long.
    backoff: () => reconnectSeconds,
    onnotice: () => {},
  };
  return postgres(url, options);
}
