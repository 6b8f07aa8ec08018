import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { describe, expect, onTestFinished, test } from "vitest";
import { migrateDatabase } from "../../src/database.ts";
import { testDatabaseUrl } from "../support/database.ts";

describe("migrateDatabase", () => {
  test("brings a new database to this version for several processes at once", async () => {
    const { url, client } = await givenEmptyDatabase();

    await Promise.all(Array.from({ length: 5 }, () => migrateDatabase(url)));

    expect(await client`select count(*)::int as count from sessions`).toEqual([{ count: 0 }]);
    expect(await client`select created_at from drizzle.__drizzle_migrations group by 1 having count(*) > 1`).toEqual(
      [],
    );
  });

  test("does nothing to a database that is of this version", async () => {
    const { url, client } = await givenEmptyDatabase();
    const countMigrations = () => client`select count(*)::int as count from drizzle.__drizzle_migrations`;
    await migrateDatabase(url);
    const before = await countMigrations();

    await migrateDatabase(url);

    expect(await countMigrations()).toEqual(before);
  });

  test("refuses a server that is too old, and leaves it alone", async () => {
    const { url, client } = await givenEmptyDatabase();
    await pretendVersion(client, 140_022);

    await expect(migrateDatabase(url)).rejects.toThrow("the database is PostgreSQL 14; Rollcall needs 15 or newer");

    expect(await client`select to_regclass('public.sessions') as sessions`).toEqual([{ sessions: null }]);
  });

  test("takes the oldest server that is new enough", async () => {
    const { url, client } = await givenEmptyDatabase();
    await pretendVersion(client, 150_000);

    await migrateDatabase(url);

    expect(await client`select to_regclass('public.sessions') is not null as exists`).toEqual([{ exists: true }]);
  });
});

/** Puts a function of our own before PostgreSQL's that tells the version, for all connections to come. */
async function pretendVersion(client: postgres.Sql, version: number): Promise<void> {
  await client.unsafe(`
    create schema pretended;
    create function pretended.current_setting(text) returns text language sql return '${version}';
    do $$ begin
      execute format('alter database %I set search_path = public, pretended, pg_catalog', current_database());
    end $$`);
}

async function givenEmptyDatabase() {
  const name = `rollcall_test_${randomUUID().replaceAll("-", "")}`;
  const url = new URL(testDatabaseUrl());
  url.pathname = name;
  const admin = postgres(testDatabaseUrl(), { max: 1 });
  await admin`create database ${admin(name)}`;
  const client = postgres(url.href, { max: 1 });
  onTestFinished(async () => {
    await client.end();
    await admin`drop database ${admin(name)} with (force)`;
    await admin.end();
  });
  return { url: url.href, client };
}
