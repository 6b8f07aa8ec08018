import { sql } from "drizzle-orm";
import { afterAll, expect, test, vi } from "vitest";
import { openTestDatabase } from "./support/database.ts";

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
