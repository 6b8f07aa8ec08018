import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDatabase } from "../src/database.ts";
import { maxLineBytes } from "../src/import/lines.ts";
import { ImportError } from "../src/import/store.ts";
import { openTestDatabase } from "./support/database.ts";
import { at, createInstance, type Importer, openImporter, toText } from "./support/imports.ts";

let importer: Importer;

beforeAll(async () => {
  importer = await openImporter();
});

afterAll(() => importer.close());

describe("a refused line", () => {
  test("is named with its number and the reason, counted, and stops nothing", async () => {
    const { session, instanceId } = createInstance();
    const lines = [
      JSON.stringify(session("1")),
      "",
      "{",
      JSON.stringify(session("2", { factors: { password: { verifiedAt: at } } })),
      " \t ",
      JSON.stringify(session("3", { color: "red" })),
      JSON.stringify(session("4")),
    ];

    const { stdout, stderr } = await importer.fromFile(`\uFEFF${lines.join("\r\n")}`);

    expect(stdout).toBe("imported 0 users, 2 sessions; unchanged 0; refused 3\n");
    expect(stderr.split("\n")).toEqual([
      expect.stringMatching(/^line 3: the line is not JSON/),
      "line 4: factors.password needs a user",
      "line 6: color is not a known key",
      "",
    ]);
    expect((await importer.list(instanceId)).map(({ id }) => id)).toEqual(["1", "4"]);
  });

  test("may be too long, by one byte or by far", async () => {
    const { session } = createInstance();
    const line = JSON.stringify(session("1"));
    const text = [line.padEnd(maxLineBytes), line.padEnd(maxLineBytes + 1), " ".repeat(3 * maxLineBytes), line].join(
      "\n",
    );

    const { summary, stderr } = await importer.fromFile(text);

    expect(summary).toMatchObject({ sessions: 1, unchanged: 1, refused: 2 });
    expect(stderr).toBe("line 2: the line is longer than 1 MiB\nline 3: the line is longer than 1 MiB\n");
  });

  test("may be no UTF-8", async () => {
    const { session } = createInstance();
    const line = Buffer.from(JSON.stringify(session("é")), "latin1");

    expect((await importer.fromFile(line)).stderr).toBe("line 1: the line is not UTF-8\n");
  });

  test("cannot give commands to the terminal", async () => {
    const { stderr } = await importer.fromFile('{"\\u001b[2J\\n\\u202e":1}\n');

    expect(stderr).toBe("line 1: \\u{1b}[2J\\u{a}\\u{202e} is not a known key\n");
  });

  test("is printed in part if the reason is long", async () => {
    const { stderr } = await importer.fromFile(`{"${"x".repeat(100_000)}":1}\n`);

    expect(stderr.length).toBeLessThan(600);
  });

  test("is only counted after a thousand others", async () => {
    const { summary, stderr } = await importer.fromFile("x\n".repeat(1_500));

    expect(summary.refused).toBe(1_500);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1_001);
    expect(stderr).toMatch(/further lines that are refused are counted, but not printed\n$/);
  });

  test("may be one that only PostgreSQL refuses: the rest of its batch is stored", async () => {
    const { session, instanceId } = createInstance();
    const name = `refused_${instanceId.replaceAll("-", "_")}`;
    const rule = `check (instance_id <> '${instanceId}' or id not in ('3', '8'))`;
    await importer.database.client.unsafe(`alter table sessions add constraint ${name} ${rule} not valid`);
    try {
      const { stdout, stderr } = await importer.fromFile(toText(Array.from({ length: 9 }, (_, i) => session(`${i}`))));

      expect(stdout).toBe("imported 0 users, 7 sessions; unchanged 0; refused 2\n");
      expect(stderr.trimEnd().split("\n").sort()).toEqual([
        expect.stringMatching(/^line 4: the database refuses it: /),
        expect.stringMatching(/^line 9: the database refuses it: /),
      ]);
      expect((await importer.list(instanceId)).map(({ id }) => id)).toEqual(["0", "1", "2", "4", "5", "6", "7"]);
    } finally {
      await importer.database.client.unsafe(`alter table sessions drop constraint ${name}`);
    }
  });
});

describe("an import that cannot go on", () => {
  test.each([
    ["does not exist", "none.ndjson", /^.*none.ndjson cannot be read: ENOENT/],
    ["is a folder", ".", /^the import stopped at line 1: EISDIR/],
  ])("says so: the file %s", async (_name, name, message) => {
    const failed = importer.run({ file: join(importer.folder, name) });

    await expect(failed).rejects.toThrow(ImportError);
    await expect(failed).rejects.toThrow(message);
  });

  test("says so: there is no database", async () => {
    const closed = openDatabase("postgres://127.0.0.1:1/none");
    const stdin = Readable.from([Buffer.from(toText([createInstance().session("1")]))]);

    const failed = importer.run({ file: "-", stdin, database: closed });

    await expect(failed).rejects.toThrow(/^the import stopped at line 1: connect ECONNREFUSED/);
    await closed.close();
  });

  test("says how far it came: the lines before are stored", async () => {
    const { session, instanceId } = createInstance();
    const lost = openTestDatabase();
    const text = toText(Array.from({ length: 10_000 }, (_, i) => session(`${i}`)));
    const failed = importer.run({ file: "-", stdin: Readable.from([Buffer.from(text)]), database: lost });

    const [error] = await Promise.all([
      failed.catch((error: unknown) => error),
      killWhoeverWaitsFor(instanceId, "7999"),
    ]);

    expect(error).toBeInstanceOf(ImportError);
    const line = Number(
      /^the import stopped at line (\d+): .*CONNECTION_CLOSED/.exec(String(Object(error).message))?.[1],
    );
    expect(line).toBeGreaterThan(1);
    expect(line).toBeLessThanOrEqual(8_000);
    const [stored] = await importer.database.client`
      select count(*)::int as n from sessions where instance_id = ${instanceId} and id::int < ${line - 1}`;
    expect(stored?.["n"]).toBe(line - 1);
    const { summary } = await importer.fromFile(text);
    expect(summary.sessions + summary.unchanged).toBe(10_000);
    // The driver waits forever for the query of a connection that was lost, unless it is told how long.
    await lost.client.end({ timeout: 0 });
  });
});

/** Holds the place of a session until someone waits for it, then ends their connection. */
async function killWhoeverWaitsFor(instanceId: string, id: string): Promise<void> {
  await using held = await holdSession(instanceId, id);
  for (;;) {
    const [waiting] = await importer.database.client`
      select pid from pg_stat_activity where ${held.pid}::int = any(pg_blocking_pids(pid))`;
    if (waiting) {
      await importer.database.client`select pg_terminate_backend(${waiting["pid"]})`;
      return;
    }
    await setTimeout(10);
  }
}

async function holdSession(instanceId: string, id: string) {
  const connection = await importer.database.client.reserve();
  const [own] = await connection`select pg_backend_pid() as pid`;
  await connection`begin`;
  await connection`
    insert into sessions (instance_id, id, created_at, changed_at) values (${instanceId}, ${id}, ${at}, ${at})`;
  return {
    pid: Number(own?.["pid"]),
    async [Symbol.asyncDispose]() {
      await connection`rollback`;
      connection.release();
    },
  };
}
