import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { inject, vi } from "vitest";
import { type Database, migrateDatabase, openDatabase } from "../../src/database.ts";

/** The URL of the migrated database that all suites of a run share; each keeps to instances of its own. */
export function testDatabaseUrl(): string {
  return inject("databaseUrl");
}

/** Opens the shared database with a pool of its own; the suite closes it. */
export function openTestDatabase(url = testDatabaseUrl()): Database {
  return openDatabase(url, { maxConnections: 4 });
}

/** Resolves once somebody waits for a lock that the PostgreSQL process `pid` holds. */
export async function waitUntilBlockedBy({ client }: Database, pid: number): Promise<void> {
  await vi.waitFor(async () => {
    const blocked = await client`select 1 from pg_stat_activity where ${pid}::int = any(pg_blocking_pids(pid))`;
    if (blocked.length === 0) throw new Error("nobody waits");
  }, 10_000);
}

/** A database of its own on the same server, for a suite that makes queries hang and watches them. */
export interface TestDatabase {
  url: string;
  /** Makes every query on sessions hang until the lock is released. */
  lockSessions(): Promise<{ release(): Promise<void> }>;
  /** How many queries of Rollcall's requests run or hang right now; those of its retention are not counted. */
  countQueries(): Promise<number>;
  drop(): Promise<void>;
}

/** Makes a database with the tables of this version. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `rollcall_test_${randomUUID().replaceAll("-", "")}`;
  const url = new URL(testDatabaseUrl());
  url.pathname = name;
  const admin = postgres(testDatabaseUrl(), { max: 1, onnotice: () => {} });
  await admin`create database ${admin(name)}`;
  await migrateDatabase(url.href);
  const client = postgres(url.href, { max: 2 });
  return {
    url: url.href,
    lockSessions: () => lockSessions(client),
    async countQueries() {
      const [found] = await client`
        select count(*)::int as running from pg_stat_activity
        where datname = current_database() and application_name = 'rollcall' and state = 'active'
          and query not like '%pg_try_advisory%'`;
      return found?.["running"];
    },
    async drop() {
      await client.end();
      await admin`drop database ${admin(name)} with (force)`;
      await admin.end();
    },
  };
}

async function lockSessions(client: postgres.Sql): Promise<{ release(): Promise<void> }> {
  const locked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const transaction = client.begin(async (sql) => {
    await sql`lock table sessions in access exclusive mode`;
    locked.resolve();
    await released.promise;
  });
  await Promise.race([locked.promise, transaction]);
  return {
    async release() {
      released.resolve();
      await transaction;
    },
  };
}
