import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { PassThrough, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashToken } from "../src/auth/token.ts";
import { runExport } from "../src/commands/export.ts";
import { instantOfMs } from "../src/sessions/instant.ts";
import type { NewSession, User } from "../src/sessions/schema.ts";
import { createTestDatabase, openTestDatabase, type TestDatabase, testDatabaseUrl } from "./support/database.ts";
import { createGiven, hour, minute, now, second } from "./support/given.ts";
import { type Importer, openImporter } from "./support/imports.ts";
import { type KratosAnswer, startKratosServer } from "./support/kratos.ts";
import { startCommand } from "./support/rollcall.ts";

type Server = Awaited<ReturnType<typeof startKratosServer>>;

const agentFingerprintId = "browser-1";
const token = "ory_st_0123456789abcdef0123456789abcdef";

let importer: Importer;
// In which nothing is but what a test imports.
let empty: TestDatabase;

beforeAll(async () => {
  importer = await openImporter();
  empty = await createTestDatabase();
});

afterAll(async () => {
  await importer.close();
  await empty.drop();
});

describe("an export that is imported into an empty database", () => {
  const full = {
    userName: "ann",
    loginName: "ann@example.com",
    displayName: 'Ann "A." \u2028 Example\n',
    avatarUrl: "https://example.com/ann.png",
    traits: { email: "ann@example.com", name: { first: "Ann" }, tags: [1, null, 0.1, "é😀"] },
    schemaId: "customer",
    metadataPublic: { plan: "gold" },
    availableAal: "aal2",
    createdAt: now - 9n * hour - 1n,
    changedAt: now - 8n * hour + 1n,
  } as const;
  const noNames = { userName: "", loginName: "", displayName: "", avatarUrl: "" };

  test.each<[string, Partial<User>]>([
    ["of whom everything is known", full],
    ["of whom little is known", noNames],
    ["who has no organization", { organizationId: "" }],
    ["who is disabled", { ...full, state: "inactive" }],
    ["who was deleted", { ...noNames, state: "deleted", createdAt: now - hour, changedAt: now - minute }],
    ["who was deleted, and comes again with names", { ...full, state: "deleted" }],
  ])("gives the same answers: somebody %s", async (_name, user) => {
    await using origin = await openServer();
    const { id, organizationId } = await origin.given.user({ id: "ann", ...user });
    for (const session of sessionsOfEveryKind()) await origin.given.session({ userId: id, organizationId, ...session });
    await using copy = await openServer(empty);

    const lines = await exportFrom(origin, id);
    const { summary, stderr } = await importer.fromFile(lines.replaceAll(origin.instanceId, copy.instanceId), copy);

    expect(stderr).toBe("");
    expect(summary.sessions).toBe(sessionsOfEveryKind().length);
    const answers = await askAll(origin);
    expect(answers).toMatchObject([
      { json: { sessions: Array(6).fill({}) } },
      { json: { result: [{ agentId: agentFingerprintId }] } },
      { json: Array(8).fill({ identity: {} }) },
      { json: Array(8).fill({ identity: {} }) },
    ]);
    expect(await askAll(copy)).toEqual(answers);
    expect(await exportFrom(copy, id)).toBe(lines.replaceAll(origin.instanceId, copy.instanceId));
  });

  test("and where it comes from changes nothing", async () => {
    await using origin = await openServer();
    await origin.given.user({ id: "ann", ...full });
    for (const session of sessionsOfEveryKind()) await origin.given.session({ userId: "ann", ...session });

    const { summary } = await importer.fromFile(await exportFrom(origin, "ann"));

    expect(summary).toEqual({ users: 0, sessions: 0, unchanged: sessionsOfEveryKind().length + 1, refused: 0 });
  });
});

describe("an export", () => {
  test("is of one person, oldest session first, and never holds a token or its hash", async () => {
    await using origin = await openServer();
    const { given, instanceId } = origin;
    await given.user({ id: "ann" });
    await given.user({ id: "bob" });
    await given.session({ id: "new", userId: "ann", createdAt: now, tokenHash: hashToken(token) });
    await given.session({ id: "b", userId: "ann", createdAt: now - 1n });
    await given.session({ id: "a", userId: "ann", createdAt: now - 1n });
    await given.session({ id: "of bob", userId: "bob", creatorId: "ann" });
    await createGiven(origin.database, randomUUID()).session({ id: "elsewhere", userId: "ann" });

    const lines = await exportFrom(origin, "ann");

    const records = lines
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(records.map(({ user, session }) => (user ?? session).id)).toEqual(["ann", "a", "b", "new"]);
    expect(new Set(records.map((record) => record.instanceId))).toEqual(new Set([instanceId]));
    for (const encoding of ["hex", "base64", "latin1"] as const) {
      expect(lines).not.toContain(hashToken(token).toString(encoding));
    }
  });

  test("has every session once, on however many pages, also of those created at once", async () => {
    await using origin = await openServer();
    const ids = Array.from({ length: 650 }, (_, i) => `s${String(i).padStart(3, "0")}`);
    for (const id of ids) await origin.given.session({ id, userId: "ann", createdAt: now });

    const lines = await exportFrom(origin, "ann");

    expect(lines.match(/(?<="session":\{"id":")s\d+/g)).toEqual(ids);
  });

  test("is empty of somebody unknown, which is no failure", async () => {
    const { code, stdout, stderr } = await startExport({ user: "nobody", instanceId: randomUUID() }).ended;

    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("is what the command prints", async () => {
    await using origin = await openServer();
    await origin.given.user({ id: "ann", displayName: "Änn" });
    for (const session of sessionsOfEveryKind()) await origin.given.session({ userId: "ann", ...session });

    const { code, stdout } = await startExport({ user: "ann", instanceId: origin.instanceId }).ended;

    expect(code).toBe(0);
    expect(stdout).toBe(await exportFrom(origin, "ann"));
  });

  test("needs to know of whom", async () => {
    const { code, stderr } = await startCommand(["export"]).ended;

    expect(code).toBe(1);
    expect(stderr).toMatch("required option '--user <id>' not specified");
  });

  test("takes no empty id for one", async () => {
    const { code, stdout, stderr } = await startCommand(["export", "--user", ""]).ended;

    expect([code, stdout, stderr]).toEqual([1, "", "rollcall: --user must not be empty\n"]);
  });

  test("ends without a word if nobody reads on", async () => {
    await using origin = await openServer();
    await givenLargeSessions(origin, 650);

    const { child, ended } = startExport({ user: "ann", instanceId: origin.instanceId });
    await once(child.stdout ?? child, "data");
    child.stdout?.destroy();

    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });

  test("reads no further than somebody takes it", async () => {
    await using origin = await openServer();
    await givenLargeSessions(origin, 650);
    const taken: string[] = [];
    const [first, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow = new Writable({
      async write(chunk, _encoding, done) {
        taken.push(String(chunk));
        first.resolve();
        await goOn.promise;
        done();
      },
    });

    const exported = runExport(origin.database.db, origin.instanceId, "ann", slow);
    await first.promise;
    await origin.database.client`delete from sessions where instance_id = ${origin.instanceId}`;
    goOn.resolve();
    await exported;

    // No more than the first page had been read.
    expect(taken.length).toBeGreaterThan(0);
    expect(taken.length).toBeLessThan(400);
  });

  test("fails if the database does", async () => {
    await using origin = await openServer();
    const closed = openTestDatabase();
    await closed.close();

    await expect(runExport(closed.db, origin.instanceId, "ann", new PassThrough())).rejects.toThrow();
  });
});

/** Of one user, in one user agent but for those that tell of another one. */
function sessionsOfEveryKind(): Partial<NewSession>[] {
  const createdAt = now - 3n * hour + 7n;
  const checked = {
    userCheckedAt: createdAt + 1n,
    passwordCheckedAt: createdAt + 2n,
    webAuthNCheckedAt: createdAt + 3n,
    webAuthNUserVerified: true,
    intentCheckedAt: createdAt + 4n,
    totpCheckedAt: createdAt + 5n,
    otpSmsCheckedAt: createdAt + 6n,
    otpEmailCheckedAt: createdAt + 7n,
    recoveryCodeCheckedAt: createdAt + 8n,
  };
  const agent = {
    agentFingerprintId,
    agentIp: "2001:db8::1",
    agentDescription: "Firefox on Linux",
    agentHeader: { "user-agent": ["Mozilla/5.0"], accept: [], "": ["a", "b"] },
  };
  const metadata = { theme: "ZGFyaw==", "": "", 'é"': "AP8=" };
  const end = { endedAt: now - 5n, endReason: "signed_out", endedBy: "admin" };
  const whole = { createdAt, changedAt: now - hour + 1n, creatorId: "login", ...checked, ...agent, metadata };
  return [
    { ...whole, expiresAt: now + hour + 1n, tokenHash: hashToken(token) },
    { createdAt: now - 4n * hour, agentFingerprintId, webAuthNCheckedAt: now, webAuthNUserVerified: false },
    { createdAt: now - second, agentFingerprintId, expiresAt: now - 1n, passwordCheckedAt: now },
    { createdAt: now - second, agentFingerprintId, ...end },
    { createdAt: now - second, endedAt: now },
    { createdAt: instantOfMs(-1), changedAt: now, agentFingerprintId: "" },
    { agentIp: "", agentDescription: "" },
    { agentDescription: "x".repeat(10_000), organizationId: "other" },
  ].map((session, i) => ({ id: `session-${i}`, ...session }));
}

async function givenLargeSessions({ given }: Server, count: number): Promise<void> {
  const metadata = { a: Buffer.alloc(3_000).toString("base64") };
  for (let i = 0; i < count; i += 1) await given.session({ userId: "ann", metadata });
}

async function openServer(own?: TestDatabase) {
  const server = await startKratosServer(own && { databaseUrl: own.url });
  return { ...server, [Symbol.asyncDispose]: () => server.close() };
}

async function exportFrom({ database, instanceId }: Server, userId: string): Promise<string> {
  const stdout = new PassThrough();
  const read = text(stdout);
  await runExport(database.db, instanceId, userId, stdout);
  stdout.end();
  return await read;
}

function startExport({ user, instanceId }: { user: string; instanceId: string }) {
  return startCommand(["export", "--user", user], { DATABASE_URL: testDatabaseUrl(), INSTANCE_ID: instanceId });
}

/** What every dialect answers, without sequences, which are each database's own, and the addresses of the server. */
async function askAll(server: Server): Promise<unknown[]> {
  const manager = await server.manager();
  const zitadel = { headers: { ...manager, "content-type": "application/json" }, body: "{}" };
  const inAgent = await server.issuer.token({ sub: "stranger", agent_id: agentFingerprintId });
  const stranger = { ...zitadel, headers: { ...zitadel.headers, authorization: `Bearer ${inAgent}` } };
  const answers = await Promise.all([
    server.ask("POST", "/v2/sessions/search", zitadel),
    server.ask("POST", "/auth/v1/users/me/sessions/_search", stranger),
    server.ask("GET", "/admin/sessions?expand=identity&expand=devices", { headers: manager }),
    server.ask("GET", "/admin/identities/ann/sessions", { headers: manager }),
  ]);
  return answers.map((answer) => withoutOwn(server, answer));
}

function withoutOwn({ url }: Server, { status, text: body }: KratosAnswer): unknown {
  const own = new Set(["sequence", "processedSequence", "timestamp"]);
  return { status, json: JSON.parse(body.replaceAll(url, ""), (key, value) => (own.has(key) ? undefined : value)) };
}
