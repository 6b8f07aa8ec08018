import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Database } from "../../src/database.ts";
import { createTestDatabase, openTestDatabase, type TestDatabase } from "../support/database.ts";
import { createGiven } from "../support/given.ts";
import { startCommand } from "../support/rollcall.ts";

let own: TestDatabase;
let database: Database;
beforeAll(async () => {
  own = await createTestDatabase();
  database = openTestDatabase(own.url);
});
afterAll(async () => {
  await database.close();
  await own.drop();
});

describe("a command whose connection PostgreSQL ends in the middle of a transaction", () => {
  test.each([
    ["import", ["import", "-"], 2, "rollcall: the import stopped at line 1: "],
    ["erase", ["erase", "--user", "ann"], 1, "rollcall: "],
  ])("%s says so, and has changed nothing", async (_name, args, expected, message) => {
    const instanceId = randomUUID();
    const given = createGiven(database, instanceId);
    await given.user({ id: "ann" });
    const { id } = await given.session({ userId: "ann" });
    const before = await rows();
    const line = `${JSON.stringify({ instanceId, user: { id: "ann", deleted: true } })}\n`;

    const command = await database.client.begin(async (sql) => {
      await sql`select 1 from sessions where instance_id = ${instanceId} and id = ${id} for update`;
      const started = startCommand(args, { DATABASE_URL: own.url, INSTANCE_ID: instanceId }, line);
      await vi.waitFor(async () => expect(await endBlocked()).toBe(1), 20_000);
      return { ended: started.ended };
    });

    const { code, stdout, stderr } = await command.ended;
    expect([code, stdout]).toEqual([expected, ""]);
    expect(stderr).toMatch(new RegExp(`^${message}[^\\n]+\\n$`));
    expect(await rows()).toEqual(before);

    async function rows() {
      const { client } = database;
      const users = await client`select * from users where instance_id = ${instanceId}`;
      return [...users, ...(await client`select * from sessions where instance_id = ${instanceId}`)];
    }
  });

  /** Ends the connections that wait for a lock, and tells how many these were. */
  async function endBlocked(): Promise<number> {
    const ended = await database.client`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    return ended.length;
  }
});
