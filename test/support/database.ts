import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { inject } from "vitest";
import { type Database, migrateDatabase, openDatabase } from "../../src/database.ts";

/** The URL of the migrated database that all suites of a run share; each keeps to instances of its own. */
export function testDatabaseUrl(): string {
  return inject("databaseUrl");
}

/** Opens the shared database with a pool of its own; the suite closes it. */
export function openTestDatabase(url = testDatabaseUrl()): Database {
  return openDatabase(url, { maxConnections: 4 });
}

/** Makes a database of its own on the same server, for a suite that locks tables or counts connections. */
export async function createTestDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `rollcall_test_${randomUUID().replaceAll("-", "")}`;
  const admin = postgres(testDatabaseUrl(), { max: 1, onnotice: () => {} });
  await admin`create database ${admin(name)}`;
  const url = new URL(testDatabaseUrl());
  url.pathname = name;
  await migrateDatabase(url.href);
  return {
    url: url.href,
    async drop() {
      await admin`drop database ${admin(name)} with (force)`;
      await admin.end();
    },
  };
}
