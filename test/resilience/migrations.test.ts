import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { describe, expect, onTestFinished, test } from "vitest";
import { checkServerVersion, migrateDatabase } from "../../src/database.ts";
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
});

describe("checkServerVersion", () => {
  test.each([[15], [18]])("PostgreSQL %i is new enough", (version) => {
    expect(() => checkServerVersion(version)).not.toThrow();
  });

  test.each([[9], [14]])("PostgreSQL %i is too old, and it says so", (version) => {
    expect(() => checkServerVersion(version)).toThrow(
      `the database is PostgreSQL ${version}; Rollcall needs 15 or newer`,
    );
  });
});

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
