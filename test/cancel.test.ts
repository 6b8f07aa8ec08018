import { sql } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type Database, openDatabase } from "../src/database.ts";
import type { Db } from "../src/sessions/store.ts";
import { openTestDatabase, testDatabaseUrl } from "./support/database.ts";

const database = openTestDatabase();
afterAll(() => database.close());

test("a query that the cancellation of another one hits is asked again", async () => {
  const answer = database
    .during(new AbortController().signal)
    .execute(sql`select 42 as answer, pg_sleep(0.5)`)
    .then((rows) => rows);

  await cancelSleeper();

  expect(await answer).toMatchObject([{ answer: 42 }]);
});

test("a query that is cancelled again and again fails", async () => {
  const answer = database.during(new AbortController().signal).execute(sql`select pg_sleep(60)`);
  const failed = expect(answer).rejects.toMatchObject({ cause: { code: "57014" } });

  const first = await cancelSleeper();
  await cancelSleeper(first);

  await failed;
});

test("a query of a request that is over is not asked at all", async () => {
  await expect(database.during(AbortSignal.abort("over")).execute(sql`select 1`)).rejects.toMatchObject({
    cause: "over",
  });
});

describe("a transaction", () => {
  // Of one connection, so that one that is lost or left in a transaction is missed.
  const narrow = openDatabase(testDatabaseUrl(), { maxConnections: 1 });
  const table = sql.identifier(`cancel_test_${process.pid}`);
  const going = new AbortController().signal;
  beforeAll(() => database.db.execute(sql`create table ${table} (id int primary key, value text not null)`));
  afterAll(async () => {
    await narrow.close();
    await database.db.execute(sql`drop table ${table}`);
  });
  beforeEach(async () => {
    await database.db.execute(sql`truncate ${table}`);
    await database.db.execute(sql`insert into ${table} values (1, 'old'), (2, 'old')`);
  });
  const write = (db: Db, id: number) => db.execute(sql`update ${table} set value = 'new' where id = ${id}`);
  const valuesOf = async ({ db }: Database) => {
    const rows = await db.execute(sql`select value from ${table} order by id`);
    return rows.map(({ value }) => value);
  };

  test("that is done is committed", async () => {
    const result = await narrow.during(going).transaction(async (db) => {
      await write(db, 1);
      return "done";
    });

    expect(result).toBe("done");
    expect(await valuesOf(database)).toEqual(["new", "old"]);
  });

  test("that is given up while it waits for a row is rolled back at once, and its connection is good", async () => {
    const leave = new AbortController();
    await database.db.transaction(async (other) => {
      await write(other, 2);
      const given = narrow.during(leave.signal).transaction(async (db) => {
        await write(db, 1);
        await write(db, 2);
      });
      const failed = expect(given).rejects.toThrow();
      await vi.waitFor(async () => expect(await countWaiting()).toBe(1));

      leave.abort();

      await failed;
      // The other one still holds its row.
      expect(await valuesOf(narrow)).toEqual(["old", "old"]);
    });
    expect(await valuesOf(narrow)).toEqual(["old", "new"]);
  });

  test("that is given up between its queries does not even ask for a row that another one holds", async () => {
    const leave = new AbortController();
    await database.db.transaction(async (other) => {
      await write(other, 2);
      const given = narrow.during(leave.signal).transaction(async (db) => {
        await write(db, 1);
        leave.abort("gone");
        await write(db, 2);
      });

      await expect(given).rejects.toBe("gone");
    });
    expect(await valuesOf(narrow)).toEqual(["old", "new"]);
  });

  test.each([
    ["and asks no more", async () => {}],
    ["and asks on", (db: Db) => write(db, 2)],
  ])("that is given up between its queries is rolled back: %s", async (_name, goOn) => {
    const leave = new AbortController();
    const given = narrow.during(leave.signal).transaction(async (db) => {
      await write(db, 1);
      leave.abort("gone");
      await goOn(db);
    });

    await expect(given).rejects.toBe("gone");
    expect(await valuesOf(narrow)).toEqual(["old", "old"]);
  });

  test("that somebody else's cancellation hits is run again once, as a whole", async () => {
    const runs: string[] = [];
    const answer = narrow.during(going).transaction(async (db) => {
      runs.push("run");
      await db.execute(sql`update ${table} set value = value || '+'`);
      await db.execute(sql`select pg_sleep(0.5)`);
    });

    await cancelSleeper();
    await answer;

    expect(runs).toHaveLength(2);
    expect(await valuesOf(narrow)).toEqual(["old+", "old+"]);
  });

  test("that is cancelled again and again fails, and is rolled back", async () => {
    const answer = narrow.during(going).transaction(async (db) => {
      await write(db, 1);
      await db.execute(sql`select pg_sleep(60)`);
    });
    const failed = expect(answer).rejects.toMatchObject({ cause: { code: "57014" } });

    const first = await cancelSleeper();
    await cancelSleeper(first);

    await failed;
    expect(await valuesOf(narrow)).toEqual(["old", "old"]);
  });

  test.each([
    ["an error of its own", async () => Promise.reject(new Error("no"))],
    ["one of PostgreSQL's", (db: Db) => db.execute(sql`insert into ${table} values (1, 'again')`)],
  ])("that fails is rolled back and not run again: %s", async (_name, fail) => {
    const runs: string[] = [];
    const answer = narrow.during(going).transaction(async (db) => {
      runs.push("run");
      await write(db, 1);
      await fail(db);
    });

    await expect(answer).rejects.toThrow();
    expect(runs).toHaveLength(1);
    expect(await valuesOf(narrow)).toEqual(["old", "old"]);
  });

  test("waits for a connection while all are taken; one that is given up before it has one never starts", async () => {
    const started: string[] = [];
    const free = Promise.withResolvers<void>();
    const begin = (name: string, signal: AbortSignal) =>
      narrow.during(signal).transaction(async (db) => {
        started.push(name);
        await db.execute(sql`select 1`);
        await free.promise;
      });
    const leave = new AbortController();
    const first = begin("first", going);
    const second = begin("second", leave.signal);
    const third = begin("third", going);
    await vi.waitFor(() => expect(started).toEqual(["first"]));

    leave.abort("gone");
    await expect(second).rejects.toBe("gone");
    free.resolve();
    await Promise.all([first, third]);

    expect(started).toEqual(["first", "third"]);
  });

  test("of a request that is over is not begun", async () => {
    const runs: string[] = [];
    const answer = narrow.during(AbortSignal.abort("over")).transaction(async () => void runs.push("run"));

    await expect(answer).rejects.toBe("over");
    expect(runs).toEqual([]);
  });

  /** How many queries on the table wait for a lock. */
  async function countWaiting(): Promise<number> {
    const [found] = await database.client`
      select count(*)::int as n from pg_stat_activity
      where wait_event_type = 'Lock' and query like ${`%cancel_test_${process.pid}%`}`;
    return found?.["n"];
  }
});

/** Cancels the query that sleeps in PostgreSQL, once one other than `before` does; returns when that one started. */
async function cancelSleeper(before = ""): Promise<string> {
  return await vi.waitFor(async () => {
    const [cancelled] = await database.client`
      select query_start::text as started, pg_cancel_backend(pid) from pg_stat_activity
      where state = 'active' and wait_event = 'PgSleep' and query_start::text <> ${before}
        and application_name = 'rollcall'`;
    expect(cancelled).toBeDefined();
    return cancelled?.["started"];
  });
}
