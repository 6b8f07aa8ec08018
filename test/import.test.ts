import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { create, type JsonObject, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SessionSchema } from "../gen/zitadel/session/v2/session_pb.ts";
import { ListSessionsResponseSchema } from "../gen/zitadel/session/v2/session_service_pb.ts";
import { type Database, openDatabase } from "../src/database.ts";
import { ImportError, runImport } from "../src/import.ts";
import { maxLineBytes } from "../src/lines.ts";
import { readableBy } from "../src/sessions/access.ts";
import { type Instant, maxInstant, minInstant, splitInstant } from "../src/sessions/instant.ts";
import { listSessions } from "../src/sessions/store.ts";
import { toListSessionsResponse } from "../src/zitadel/message.ts";
import { openTestDatabase } from "./support/database.ts";
import { now } from "./support/given.ts";

const at = "2026-01-02T03:04:05.123456Z";
const later = "2026-01-02T04:04:05Z";
const ann = { id: "ann", organizationId: "org", userName: "ann", loginName: "ann@example.com", displayName: "Ann" };
const isAnn = { user: { id: "ann", organizationId: "org", verifiedAt: at, loginName: "a@old.com", displayName: "A." } };

let database: Database;
let folder: string;

beforeAll(async () => {
  database = openTestDatabase();
  folder = await mkdtemp(join(tmpdir(), "rollcall-import-"));
});

afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

/** An instance of its own, and what imports into it print. */
function createInstance() {
  const instanceId = randomUUID();
  const session = (id: string, more: object = {}) => ({ instanceId, session: { id, creationDate: at, ...more } });
  const user = (more: object = {}) => ({ instanceId, user: { ...ann, ...more } });
  return {
    instanceId,
    session,
    user,
    list: () => list(instanceId),
    sequenceOf: (id: string) => sequenceOf(instanceId, id),
  };
}

async function list(instanceId: string): Promise<JsonObject[]> {
  const grants = [{ permission: "session.read", organizationId: undefined } as const];
  const scope = readableBy({ instanceId, userId: "", agentId: undefined, grants });
  const query = { conditions: [], page: { offset: 0, limit: 10_000, order: "oldest_first" } } as const;
  const response = toListSessionsResponse(await listSessions(database.db, scope, query), now);
  const json = toJson(ListSessionsResponseSchema, create(ListSessionsResponseSchema, response));
  // Safe: the JSON form of the message, whose sessions are objects.
  return ((json as JsonObject)["sessions"] as JsonObject[] | undefined) ?? [];
}

async function sequenceOf(instanceId: string, id: string): Promise<unknown> {
  return (await list(instanceId)).find((session) => session["id"] === id)?.["sequence"];
}

async function userNames(instanceId: string): Promise<unknown> {
  const [user] = await database.client`
    select login_name, display_name, user_name from users where instance_id = ${instanceId} and id = 'ann'`;
  return user && { ...user };
}

function toText(records: readonly object[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join("");
}

/** Imports from standard input, in pieces that do not end where lines do. */
async function importText(text: string | Uint8Array, { isTTY = false } = {}) {
  const bytes = Buffer.from(text);
  const pieces = Array.from({ length: Math.ceil(bytes.length / 1_000) }, (_, i) =>
    bytes.subarray(i * 1_000, i * 1_000 + 1_000),
  );
  return runCaptured({ file: "-", stdin: Readable.from(pieces), isTTY });
}

async function importFile(text: string | Uint8Array, { isTTY = false } = {}) {
  const file = join(folder, `${randomUUID()}.ndjson`);
  await writeFile(file, text);
  return runCaptured({ file, isTTY });
}

async function runCaptured({
  isTTY,
  ...options
}: {
  file: string;
  stdin?: Readable;
  isTTY: boolean;
  database?: Database;
}) {
  const printed = { stdout: "", stderr: "" };
  const capture = (name: keyof typeof printed) =>
    new Writable({
      write(chunk, _encoding, done) {
        printed[name] += chunk;
        done();
      },
    });
  const stderr = Object.assign(capture("stderr"), { isTTY });
  const summary = await runImport({ database, ...options, stdout: capture("stdout"), stderr });
  return { summary, ...printed };
}

describe("an import", () => {
  test.each([
    ["a file", importFile],
    ["standard input", importText],
  ])("of %s stores its users and sessions, and says how many", async (_name, run) => {
    const { session, user, list } = createInstance();

    const { summary, stdout, stderr } = await run(toText([user(), session("1"), session("2", { factors: isAnn })]));

    expect(stdout).toBe("imported 1 users, 2 sessions; unchanged 0; refused 0\n");
    expect(stderr).toBe("");
    expect(summary).toEqual({ users: 1, sessions: 2, unchanged: 0, refused: 0 });
    expect(await list()).toMatchObject([
      { id: "1", creationDate: at, changeDate: at },
      { id: "2", factors: { user: { id: "ann", loginName: "ann@example.com", displayName: "Ann" } } },
    ]);
  });

  test("of nothing stores nothing", async () => {
    expect((await importFile("")).stdout).toBe("imported 0 users, 0 sessions; unchanged 0; refused 0\n");
  });

  test("of the same file again changes nothing, and says so", async () => {
    const { session, user, list } = createInstance();
    const text = toText([user(), session("1", { factors: isAnn, metadata: { a: "AA==" } }), session("2")]);
    await importFile(text);
    const before = await list();

    const { stdout } = await importFile(text);

    expect(stdout).toBe("imported 0 users, 0 sessions; unchanged 3; refused 0\n");
    expect(await list()).toEqual(before);
  });

  test("changes what is other than it was, under a new sequence", async () => {
    const { session, user, list, sequenceOf, instanceId } = createInstance();
    await importFile(toText([user(), session("1"), session("2"), session("3")]));
    const before = await list();

    const changed = [
      user({ displayName: "Anna" }),
      session("1"),
      session("2", { metadata: { a: "AA==" } }),
      session("3"),
    ];
    const { stdout } = await importFile(toText(changed));

    expect(stdout).toBe("imported 1 users, 1 sessions; unchanged 2; refused 0\n");
    expect(await userNames(instanceId)).toMatchObject({ display_name: "Anna" });
    expect((await list()).map((s) => s["metadata"])).toEqual([undefined, { a: "AA==" }, undefined]);
    expect(await sequenceOf("1")).toBe(before[0]?.["sequence"]);
    expect(Number(await sequenceOf("2"))).toBeGreaterThan(Number(before[2]?.["sequence"]));
  });

  test("changes whatever a session has", async () => {
    const { session, instanceId } = createInstance();
    await importFile(toText([session("1", { factors: isAnn })]));

    const changes = [
      { changeDate: later },
      { expirationDate: later },
      { creatorId: "login" },
      { endedAt: later },
      { endedAt: later, endReason: "x" },
      { userAgent: { fingerprintId: "" } },
      { userAgent: { ip: "::1" } },
      { userAgent: { description: "x" } },
      { userAgent: { header: { a: {} } } },
      { factors: undefined },
      { factors: { ...isAnn, password: { verifiedAt: at } } },
      { factors: { ...isAnn, webAuthN: { verifiedAt: at } } },
      { factors: { ...isAnn, webAuthN: { verifiedAt: at, userVerified: true } } },
      { factors: { ...isAnn, intent: { verifiedAt: at } } },
      { factors: { ...isAnn, totp: { verifiedAt: at } } },
      { factors: { ...isAnn, otpSms: { verifiedAt: at } } },
      { factors: { ...isAnn, otpEmail: { verifiedAt: at } } },
      { factors: { ...isAnn, recoveryCode: { verifiedAt: at } } },
    ];

    for (const change of changes) {
      const { summary } = await importFile(
        toText([{ instanceId, session: { ...session("1").session, factors: isAnn, ...change } }]),
      );
      expect(summary, JSON.stringify(change)).toMatchObject({ sessions: 1, unchanged: 0 });
    }
  });

  test("keeps the last of several lines with one id, wherever they are", async () => {
    const { session, list } = createInstance();
    const many = Array.from({ length: 5_000 }, (_, i) => session(`many-${i}`));
    const twice = (metadata: string) => session("twice", { metadata: { a: metadata } });

    const { summary } = await importFile(toText([twice("AA=="), twice("AQ=="), session("0")]));
    expect(summary).toEqual({ users: 0, sessions: 2, unchanged: 1, refused: 0 });
    expect((await list()).map((s) => s["metadata"])).toEqual([undefined, { a: "AQ==" }]);

    await importFile(toText([twice("Ag=="), ...many, twice("Aw=="), ...many, twice("BA==")]));
    expect((await list()).find((s) => s["id"] === "twice")).toMatchObject({ metadata: { a: "BA==" } });
  });

  test("counts every line once, in however many batches", async () => {
    const { session } = createInstance();
    const many = Array.from({ length: 9_000 }, (_, i) => session(randomUUID(), i % 2 ? { factors: isAnn } : {}));

    expect((await importText(toText(many))).summary).toEqual({ users: 1, sessions: 9_000, unchanged: 0, refused: 0 });
    expect((await importFile(toText(many))).summary).toEqual({ users: 0, sessions: 0, unchanged: 9_000, refused: 0 });
  });

  test("keeps instances apart", async () => {
    const one = createInstance();
    const other = createInstance();

    const { summary } = await importFile(
      toText([
        one.session("1", { factors: isAnn }),
        other.session("1"),
        one.user(),
        other.user({ displayName: "Other" }),
      ]),
    );

    expect(summary).toMatchObject({ users: 2, sessions: 2 });
    expect(await one.list()).toMatchObject([{ id: "1", factors: { user: { displayName: "Ann" } } }]);
    expect(await other.list()).toEqual([expect.not.objectContaining({ factors: expect.anything() })]);
  });

  test("gives back through ListSessions what it was given", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(anySession(), { selector: ({ id }) => id, maxLength: 20 }), async (messages) => {
        const { instanceId, list } = createInstance();
        // Safe: the JSON form of a message that has fields.
        const sessions = messages.map((message) => toJson(SessionSchema, create(SessionSchema, message)) as JsonObject);

        const { summary, stderr } = await importText(toText(sessions.map((session) => ({ instanceId, session }))));

        expect(stderr).toBe("");
        expect(summary.sessions).toBe(sessions.length);
        const stored = (await list()).map(({ sequence: _, ...session }) => session);
        expect(stored.sort(byId)).toEqual(sessions.sort(byId));
      }),
      { numRuns: 60 },
    );
  });
});

describe("the user of a session", () => {
  test("is stored if they are unknown, under the name they sign in with", async () => {
    const { session, instanceId } = createInstance();
    const named = { user: { ...isAnn.user, displayName: "Other" } };

    const { summary } = await importFile(toText([session("1", { factors: isAnn }), session("2", { factors: named })]));

    expect(summary).toEqual({ users: 1, sessions: 2, unchanged: 0, refused: 0 });
    expect(await userNames(instanceId)).toEqual({
      login_name: "a@old.com",
      display_name: "A.",
      user_name: "a@old.com",
    });
  });

  test("stays as they are if they are known", async () => {
    const { session, user, instanceId } = createInstance();
    await importFile(toText([user()]));

    const { summary } = await importFile(toText([session("1", { factors: isAnn })]));

    expect(summary).toEqual({ users: 0, sessions: 1, unchanged: 0, refused: 0 });
    expect(await userNames(instanceId)).toMatchObject({ display_name: "Ann" });
  });

  test.each(["before", "after"])("is as their own line says, also %s it", async (order) => {
    const { session, user, instanceId } = createInstance();
    const records = [session("1", { factors: isAnn }), user()];

    const { summary } = await importFile(toText(order === "before" ? records : records.toReversed()));

    expect(summary).toEqual({ users: 1, sessions: 1, unchanged: 0, refused: 0 });
    expect(await userNames(instanceId)).toMatchObject({ display_name: "Ann" });
  });
});

describe("a refused line", () => {
  test("is named with its number and the reason, counted, and stops nothing", async () => {
    const { session, list } = createInstance();
    const lines = [
      JSON.stringify(session("1")),
      "",
      "{",
      JSON.stringify(session("2", { factors: { password: { verifiedAt: at } } })),
      " \t ",
      JSON.stringify(session("3", { color: "red" })),
      JSON.stringify(session("4")),
    ];

    const { stdout, stderr } = await importFile(`\uFEFF${lines.join("\r\n")}`);

    expect(stdout).toBe("imported 0 users, 2 sessions; unchanged 0; refused 3\n");
    expect(stderr.split("\n")).toEqual([
      expect.stringMatching(/^line 3: the line is not JSON/),
      "line 4: factors.password needs a user",
      "line 6: color is not a known key",
      "",
    ]);
    expect((await list()).map(({ id }) => id)).toEqual(["1", "4"]);
  });

  test("may be too long, by one byte or by far", async () => {
    const { session } = createInstance();
    const line = JSON.stringify(session("1"));
    const text = [line.padEnd(maxLineBytes), line.padEnd(maxLineBytes + 1), " ".repeat(3 * maxLineBytes), line].join(
      "\n",
    );

    const { summary, stderr } = await importFile(text);

    expect(summary).toMatchObject({ sessions: 1, unchanged: 1, refused: 2 });
    expect(stderr).toBe("line 2: the line is longer than 1 MiB\nline 3: the line is longer than 1 MiB\n");
  });

  test("may be no UTF-8", async () => {
    const { session } = createInstance();
    const line = Buffer.from(JSON.stringify(session("é")), "latin1");

    expect((await importFile(line)).stderr).toBe("line 1: the line is not UTF-8\n");
  });

  test("cannot give commands to the terminal", async () => {
    const { stderr } = await importFile('{"\\u001b[2J\\n\\u202e":1}\n');

    expect(stderr).toBe("line 1: \\u{1b}[2J\\u{a}\\u{202e} is not a known key\n");
  });

  test("is printed in part if the reason is long", async () => {
    const { stderr } = await importFile(`{"${"x".repeat(100_000)}":1}\n`);

    expect(stderr.length).toBeLessThan(600);
  });

  test("is only counted after a thousand others", async () => {
    const { summary, stderr } = await importFile("x\n".repeat(1_500));

    expect(summary.refused).toBe(1_500);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1_001);
    expect(stderr).toMatch(/further lines that are refused are counted, but not printed\n$/);
  });

  test("may be one that only PostgreSQL refuses: the rest of its batch is stored", async () => {
    const { session, list, instanceId } = createInstance();
    const name = `refused_${instanceId.replaceAll("-", "_")}`;
    const rule = `check (instance_id <> '${instanceId}' or id not in ('3', '8'))`;
    await database.client.unsafe(`alter table sessions add constraint ${name} ${rule} not valid`);
    try {
      const { stdout, stderr } = await importFile(toText(Array.from({ length: 9 }, (_, i) => session(`${i}`))));

      expect(stdout).toBe("imported 0 users, 7 sessions; unchanged 0; refused 2\n");
      expect(stderr.trimEnd().split("\n").sort()).toEqual([
        expect.stringMatching(/^line 4: the database refuses it: /),
        expect.stringMatching(/^line 9: the database refuses it: /),
      ]);
      expect((await list()).map(({ id }) => id)).toEqual(["0", "1", "2", "4", "5", "6", "7"]);
    } finally {
      await database.client.unsafe(`alter table sessions drop constraint ${name}`);
    }
  });
});

describe("an import that cannot go on", () => {
  test.each([
    ["does not exist", "none.ndjson", /^.*none.ndjson cannot be read: ENOENT/],
    ["is a folder", ".", /^the import stopped at line 1: EISDIR/],
  ])("says so: the file %s", async (_name, name, message) => {
    const failed = runCaptured({ file: join(folder, name), isTTY: false });

    await expect(failed).rejects.toThrow(ImportError);
    await expect(failed).rejects.toThrow(message);
  });

  test("says so: there is no database", async () => {
    const closed = openDatabase("postgres://127.0.0.1:1/none");
    const stdin = Readable.from([Buffer.from(toText([createInstance().session("1")]))]);

    const failed = runCaptured({ file: "-", stdin, database: closed, isTTY: false });

    await expect(failed).rejects.toThrow(/^the import stopped at line 1: connect ECONNREFUSED/);
    await closed.close();
  });

  test("says how far it came: the lines before are stored", async () => {
    const { session, instanceId } = createInstance();
    const lost = openTestDatabase();
    const text = toText(Array.from({ length: 10_000 }, (_, i) => session(`${i}`)));
    const failed = runCaptured({ file: "-", stdin: Readable.from([Buffer.from(text)]), database: lost, isTTY: false });

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
    const [stored] = await database.client`
      select count(*)::int as n from sessions where instance_id = ${instanceId} and id::int < ${line - 1}`;
    expect(stored?.["n"]).toBe(line - 1);
    const { summary } = await importFile(text);
    expect(summary.sessions + summary.unchanged).toBe(10_000);
    // The driver waits forever for the query of a connection that was lost, unless it is told how long.
    await lost.client.end({ timeout: 0 });
  });
});

/** Holds the place of a session until someone waits for it, then ends their connection. */
async function killWhoeverWaitsFor(instanceId: string, id: string): Promise<void> {
  await using held = await holdSession(instanceId, id);
  for (;;) {
    const [waiting] = await database.client`
      select pid from pg_stat_activity where ${held.pid}::int = any(pg_blocking_pids(pid))`;
    if (waiting) {
      await database.client`select pg_terminate_backend(${waiting["pid"]})`;
      return;
    }
    await setTimeout(10);
  }
}

async function holdSession(instanceId: string, id: string) {
  const connection = await database.client.reserve();
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

describe("the progress", () => {
  test.each([
    ["a file", importFile, /100%.* 3 lines | 1 refused/],
    ["standard input", importText, /3 lines \| 1 refused/],
  ])("of %s is shown on a terminal", async (_name, run, shown) => {
    const { session } = createInstance();
    const text = `${toText([session("1")])}x\n${toText([session("2")])}`;

    const { stdout, stderr } = await run(text, { isTTY: true });

    expect(stdout).toBe("imported 0 users, 2 sessions; unchanged 0; refused 1\n");
    expect(stderr).toMatch(shown);
    expect(stderr).toContain("\r\x1b[Kline 2: the line is not JSON");
  });
});

function anySession(): fc.Arbitrary<MessageInitShape<typeof SessionSchema> & { id: string }> {
  const id = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }).filter((text) => !/\p{Cc}/u.test(text));
  const text = fc.string({ unit: "binary", maxLength: 30 }).map((characters) => characters.replaceAll("\0", ""));
  const key = text.filter((name) => name !== "__proto__");
  const date = fc.bigInt({ min: minInstant, max: maxInstant });
  const factor = date.map((verifiedAt) => ({ verifiedAt: splitInstant(verifiedAt) }));
  const factors = fc.record(
    {
      user: fc.record({
        verifiedAt: date.map(splitInstant),
        id,
        organizationId: id,
        loginName: text,
        displayName: text,
      }),
      password: factor,
      webAuthN: fc.tuple(factor, fc.boolean()).map(([checked, userVerified]) => ({ ...checked, userVerified })),
      intent: factor,
      totp: factor,
      otpSms: factor,
      otpEmail: factor,
      recoveryCode: factor,
    },
    { requiredKeys: ["user"] },
  );
  const userAgent = fc.record(
    {
      fingerprintId: fc.oneof(id, fc.constant("")),
      ip: fc.oneof(fc.ipV4(), fc.constantFrom("", "::", "2001:db8::1")),
      description: text,
      header: fc.dictionary(
        key,
        fc.array(text, { maxLength: 3 }).map((values) => ({ values })),
        { minKeys: 1, maxKeys: 3 },
      ),
    },
    { requiredKeys: [] },
  );
  return fc
    .record(
      {
        id,
        dates: fc.tuple(date, date),
        factors,
        metadata: fc.dictionary(key, fc.uint8Array({ maxLength: 40 }), { maxKeys: 3 }),
        userAgent: userAgent.map((agent) => (Object.keys(agent).length === 0 ? undefined : agent)),
        expirationDate: date.map(splitInstant),
      },
      { requiredKeys: ["id", "dates"] },
    )
    .map(({ dates, factors, ...session }) => {
      const [created, changed] = dates.toSorted(byInstant);
      return {
        ...session,
        creationDate: splitInstant(created ?? 0n),
        changeDate: splitInstant(changed ?? 0n),
        // A user of its own, for the first session that names a user decides on their names.
        factors: factors && { ...factors, user: { ...factors.user, id: session.id } },
      };
    });
}

function byInstant(one: Instant, other: Instant): number {
  return one < other ? -1 : 1;
}

function byId(one: JsonObject, other: JsonObject): number {
  return String(one["id"]) < String(other["id"]) ? -1 : 1;
}
