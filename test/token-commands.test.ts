import { randomUUID } from "node:crypto";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { hashToken } from "../src/auth/token.ts";
import { createGivenApiToken, secretsOf } from "./support/api-tokens.ts";
import { createTestDatabase, openTestDatabase, testDatabaseUrl } from "./support/database.ts";
import { now } from "./support/given.ts";
import { startCommand } from "./support/rollcall.ts";
import { startTestServer } from "./support/server.ts";

const server = await startTestServer();
afterAll(() => server.close());
const { database } = server;
const usual = ["--user", "service", "--name", "Backup", "--scope", "session.read"];

/** Runs `rollcall token …` for an instance. */
function run(instanceId: string, ...args: string[]) {
  return startCommand(["token", ...args], { DATABASE_URL: testDatabaseUrl(), INSTANCE_ID: instanceId }).ended;
}

describe("a token", () => {
  test("is made, used, listed and revoked", async () => {
    const created = await run(server.instanceId, "create", ...usual, "--expires", "90d");
    const token = created.stdout.trim();
    const [, id = ""] = /^made the token (\S+); it is shown only this once\n$/.exec(created.stderr) ?? [];
    expect([created.code, created.stdout]).toEqual([0, expect.stringMatching(/^rc_[A-Za-z0-9]{32}\n$/)]);
    expect(await statusWith(token)).toBe(200);

    const listed = await run(server.instanceId, "list");
    const minute = /\d{4}-\d\d-\d\dT\d\d:\d\dZ/.source;
    expect([listed.code, listed.stderr]).toEqual([0, ""]);
    expect(listed.stdout).toMatch(/^ID +USER +NAME +SCOPE +CREATED +EXPIRES +LAST USED\n/);
    expect(listed.stdout).toMatch(
      new RegExp(`^${id}  service  Backup  session\\.read  ${minute}  ${minute}  ${minute}$`, "m"),
    );
    for (const secret of secretsOf(token)) expect(listed.stdout).not.toContain(secret);

    const revoked = await run(server.instanceId, "revoke", id);
    expect(revoked).toEqual({ code: 0, stdout: `revoked the token ${id}\n`, stderr: "" });
    expect(await statusWith(token)).toBe(401);
    expect((await run(server.instanceId, "list")).stdout).toBe("there are no API tokens\n");
  });

  test("is stored as a hash only, with what was ordered", async () => {
    const instanceId = randomUUID();
    const { stdout } = await run(instanceId, "create", ...usual, "--expires", "90d");
    const token = stdout.trim();

    const rows = await database.client`
      select user_id, name, scope, token_hash, expires_at - created_at = '90 days' as is_of_90_days, last_used_at,
        to_jsonb(api_tokens)::text as whole
      from api_tokens where instance_id = ${instanceId}`;

    expect(rows).toEqual([
      {
        user_id: "service",
        name: "Backup",
        scope: "session.read",
        token_hash: hashToken(token),
        is_of_90_days: true,
        last_used_at: null,
        whole: expect.not.stringContaining(token.slice("rc_".length)),
      },
    ]);
  });

  test("is another one each time, and for ever unless told", async () => {
    const instanceId = randomUUID();
    const made = await Promise.all([run(instanceId, "create", ...usual), run(instanceId, "create", ...usual)]);
    const listed = await run(instanceId, "list");

    expect(new Set(made.map(({ stdout }) => stdout)).size).toBe(2);
    expect(listed.stdout.match(/ never +never$/gm)).toHaveLength(2);
  });
});

describe("rollcall token create refuses before it opens anything", () => {
  test.each([
    ["a permission that is none", ["--scope", "session.read session.reed"], "--scope must not hold session.reed"],
    ["an empty user", ["--user", ""], "--user must not be empty"],
    ["a command to the terminal", ["--name", "\x1b[2J"], "--name must not hold control characters"],
    ["a bad duration", ["--expires", "soon"], "--expires must be a duration like 90d"],
  ])("%s", async (_name, args, problem) => {
    const settings = { DATABASE_URL: "postgres://127.0.0.1:1/nowhere" };

    const { code, stdout, stderr } = await startCommand(["token", "create", ...usual, ...args], settings).ended;

    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^rollcall: .+\n$/);
    expect(stderr).toContain(problem);
  });

  test.each([["--user"], ["--name"], ["--scope"]])("no %s", async (option) => {
    const args = usual.toSpliced(usual.indexOf(option), 2);

    const { code, stdout, stderr } = await startCommand(["token", "create", ...args]).ended;

    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(`required option '${option} `);
  });
});

describe("of another instance", () => {
  let ours: string;
  let theirs: { database: typeof database; instanceId: string };
  beforeEach(() => {
    ours = randomUUID();
    theirs = { database, instanceId: randomUUID() };
  });

  test("no token is listed", async () => {
    await createGivenApiToken(theirs)();

    expect((await run(ours, "list")).stdout).toBe("there are no API tokens\n");
  });

  test("no token is revoked: the id is as unknown as any other", async () => {
    const { id } = await createGivenApiToken(theirs)();

    expect(await run(ours, "revoke", id)).toEqual({
      code: 1,
      stdout: "",
      stderr: `rollcall: no API token has the id ${id}\n`,
    });
    expect((await run(theirs.instanceId, "list")).stdout).toContain(id);
  });
});

test("nothing that is printed is a command to the terminal", async () => {
  const instanceId = randomUUID();
  const name = "\x1b]0;title\x07\nBackup";
  await createGivenApiToken({ database, instanceId })({
    id: "1",
    userId: "a\x9b2J",
    name,
    scope: "\r",
    createdAt: now,
  });

  const listed = await run(instanceId, "list");
  const revoked = await run(instanceId, "revoke", "\x1b[2J");

  expect(listed.stdout.split("\n")).toEqual([
    "ID  USER       NAME                            SCOPE  CREATED            EXPIRES  LAST USED",
    "1   a\\u{9b}2J  \\u{1b}]0;title\\u{7}\\u{a}Backup  \\u{d}  2026-03-01T12:00Z  never    never",
    "",
  ]);
  expect(revoked.stderr).toBe("rollcall: no API token has the id \\u{1b}[2J\n");
});

test("what the database refuses is told without the statement and its values", async () => {
  const own = await createTestDatabase();
  const { client, close } = openTestDatabase(own.url);
  await client`alter table api_tokens add constraint no_backup check (name <> 'Backup')`;

  const { code, stdout, stderr } = await startCommand(["token", "create", ...usual], { DATABASE_URL: own.url }).ended;
  await close();
  await own.drop();

  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^rollcall: .*no_backup.*\n$/);
  expect(stderr).not.toMatch(/insert|service|session\.read/);
});

async function statusWith(token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${server.url}/v2/sessions/search`, { method: "POST", headers })).status;
}
