import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../src/database.ts";
import { runKratosImport } from "../src/import/kratos.ts";
import { ImportError } from "../src/import/store.ts";
import { createTestDatabase, openTestDatabase, testDatabaseUrl } from "./support/database.ts";
import { capture } from "./support/imports.ts";
import { createKratosDatabase, type KratosDatabase } from "./support/kratos-database.ts";
import { startCommand } from "./support/rollcall.ts";

let database: Database;
let kratos: KratosDatabase;
let instanceId: string;

beforeAll(() => {
  database = openTestDatabase();
});

afterAll(() => database.close());

beforeEach(async () => {
  kratos = await createKratosDatabase();
  instanceId = randomUUID();
});

afterEach(() => kratos.drop());

describe("an import that cannot go on", () => {
  const secret = "s3cr3t";

  test.each([
    ["no URL", `kratos:${secret}`, /must be a URL that begins with postgres:\/\//],
    ["a URL of another database", `mysql://u:${secret}@h/db`, /must be a URL that begins with postgres:\/\//],
    ["a URL that is cut short by its password", `postgres://u:1/${secret}@127.0.0.1/db`, /cannot be read: /],
    ["a password with a bare %", `postgres://u:${secret}%@h/db`, /special characters written as %XX/],
    ["nobody there", `postgres://u:${secret}@127.0.0.1:1/db`, /cannot be read: nothing listens at its address$/],
    ["an unknown host", `postgres://u:${secret}@host.invalid/db`, /cannot be read: its host is not known$/],
  ])("says so, and not the URL: %s", async (_name, url, message) => {
    const error: unknown = await run({ url }).catch((error) => error);

    expect(error).toBeInstanceOf(ImportError);
    expect(String(error)).toMatch(message);
    expect(String(error)).not.toContain(secret);
    expect(String(error)).not.toContain("/db");
  });

  test("says so: there is no such database", async () => {
    const url = new URL(testDatabaseUrl());
    url.pathname = "none-such";

    await expect(run({ url: url.href })).rejects.toThrow("it has no database of that name");
  });

  test("says so: it is not one of Kratos's", async () => {
    const failed = run({ url: testDatabaseUrl() });

    await expect(failed).rejects.toThrow(/is not one of Kratos's: it has no identities.id, .*session_devices.id/);
  });

  test("takes the settings of Kratos's own pool in the URL, and changes nothing there", async () => {
    await kratos.identity();
    const url = `${kratos.url}?sslmode=disable&max_conns=20&max_idle_conns=4&max_conn_lifetime=1h`;

    expect((await run({ url })).summary.users).toBe(1);
  });

  test("says how far it came if the connection to Kratos is lost", async () => {
    const identity_id = await kratos.identity();
    await kratos.sessions(Array.from({ length: 20_000 }, () => ({ identity_id })));
    const own = await createTestDatabase();
    const ownDatabase = openTestDatabase(own.url);
    const lock = await own.lockSessions();

    const failed = run({ database: ownDatabase }).catch((error: unknown) => error);
    await until(async () => (await own.countQueries()) > 1);
    await kratos.client`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'rollcall-import'`;
    await lock.release();

    const error = await failed;
    expect(error).toBeInstanceOf(ImportError);
    expect(String(error)).toMatch(/stopped at row \d+: the Kratos database cannot be read: the connection was lost; /);
    expect((await run({ database: ownDatabase })).summary).toMatchObject({ refused: 0 });
    await ownDatabase.close();
    await own.drop();
  });

  test("says how far it came if our own database is lost", async () => {
    await kratos.identity();
    const closed = openTestDatabase("postgres://127.0.0.1:1/none");

    await expect(run({ database: closed })).rejects.toThrow(/stopped at row 1: connect ECONNREFUSED/);
    await closed.close();
  });
});

describe("rollcall import --from kratos", () => {
  const settings = () => ({ DATABASE_URL: testDatabaseUrl(), INSTANCE_ID: instanceId });

  test("imports into the instance of the configuration, and ends with 0, or 1 if it refused something", async () => {
    const identity_id = await kratos.identity();
    const { token } = await kratos.session({ identity_id });
    const command = ["import", "--from", "kratos", kratos.url];

    const good = await startCommand(command, settings()).ended;
    await kratos.identity({ state: "locked" });
    const refused = await startCommand([...command, "--network", kratos.nid], settings()).ended;

    expect([good.code, good.stdout]).toEqual([0, "imported 1 users, 1 sessions; unchanged 0; refused 0\n"]);
    expect([refused.code, refused.stdout]).toEqual([1, "imported 0 users, 0 sessions; unchanged 2; refused 1\n"]);
    const [stored] = await database.client`
      select count(*)::int as n from sessions where instance_id = ${instanceId}`;
    expect(stored?.["n"]).toBe(1);
    const printed = [good, refused].map(({ stdout, stderr }) => stdout + stderr).join("");
    expect(printed).not.toContain(kratos.url);
    expect(printed).not.toContain(token);
  });

  test("ends with 2 if it cannot go on", async () => {
    const url = "postgres://u:s3cr3t@127.0.0.1:1/db";

    const { code, stdout, stderr } = await startCommand(["import", "--from", "kratos", url], settings()).ended;

    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toBe("rollcall: the Kratos database cannot be read: nothing listens at its address\n");
  });

  test.each([
    [["import", "postgres://u:s3cr3t@127.0.0.1:1/db"], "a URL needs --from kratos"],
    [["import", "--network", "x", "file"], "--network needs --from kratos"],
    [["import", "--from", "hydra", "s3cr3t"], "Allowed choices are kratos"],
  ])("%j is refused", async (args, reason) => {
    const { code, stderr } = await startCommand(args, settings()).ended;

    expect(code).toBe(1);
    expect(stderr).toContain(reason);
    expect(stderr).not.toContain("s3cr3t");
  });
});

function run(options: { url?: string; database?: Database } = {}) {
  return capture(false, (streams) =>
    runKratosImport({ url: kratos.url, instanceId, database, ...options, ...streams }),
  );
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await setTimeout(10);
}
