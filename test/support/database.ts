import { inject } from "vitest";
import { type Database, openDatabase } from "../../src/database.ts";

/** The URL of the migrated database that all suites of a run share; each keeps to instances of its own. */
export function testDatabaseUrl(): string {
  return inject("databaseUrl");
}

/** Opens the shared database with a pool of its own; the suite closes it. */
export function openTestDatabase(): Database {
  return openDatabase(testDatabaseUrl(), { maxConnections: 4 });
}
