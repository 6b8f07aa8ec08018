import { type CallOptions, type Client, Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { JWTPayload } from "jose";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { SessionService } from "../../gen/zitadel/session/v2/session_service_pb.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { audience, startTestIssuer, type TestIssuer } from "../support/issuer.ts";
import { startCommand } from "../support/rollcall.ts";
import { traceOf, type Written, writeUntilDone } from "./write-load.ts";

let testDatabase: TestDatabase;
let admin: postgres.Sql;
let issuer: TestIssuer;
let login: CallOptions;
let stranger: CallOptions;
beforeAll(async () => {
  issuer = await startTestIssuer();
  const as = async (claims: JWTPayload) => ({ headers: { authorization: `Bearer ${await issuer.token(claims)}` } });
  login = await as({ sub: "login", scope: "session.read session.write session.delete" });
  stranger = await as({ sub: "stranger" });
});
afterAll(() => issuer.stop());
beforeEach(async () => {
  testDatabase = await createTestDatabase();
  admin = postgres(testDatabase.url, { max: 1 });
});
afterEach(async () => {
  await admin.end();
  await testDatabase.drop();
});

test("a server that is killed in the middle of writes loses none that it acknowledged, and leaves none half done", async () => {
  const doomed = await startServe();
  const { sessions, acknowledged } = await writeUntilDone({
    client: doomed.client,
    options: login,
    writes: 1_000,
    onAcknowledged: (count) => void (count === 300 && doomed.child.kill("SIGKILL")),
    isPassing: () => false,
  });

  expect(acknowledged).toBeGreaterThanOrEqual(300);
  expect(acknowledged).toBeLessThan(400);
  expect(sessions.filter(({ unsure }) => unsure !== undefined).length).toBeGreaterThan(0);

  await vi.waitFor(async () => expect(await countConnections()).toBe(0), { timeout: 10_000 });
  const { client } = await startServe();

  await expectWhole(client, sessions);
  // Nothing of the dead process holds a row.
  const ids = sessions.flatMap(({ id, acknowledged }) => (acknowledged === "ended" ? [] : (id ?? [])));
  await Promise.all(ids.map((sessionId) => client.deleteSession({ sessionId }, login)));
  expect((await client.listSessions({ query: { limit: 1_000 } }, login)).sessions.length).toBeLessThanOrEqual(20);
});

test("connections that PostgreSQL ends in the middle of writes cost no more than the writes that they were for", async () => {
  const { client } = await startServe();
  const ended: Promise<unknown>[] = [];
  const { sessions, acknowledged, codes } = await writeUntilDone({
    client,
    options: login,
    writes: 600,
    onAcknowledged: (count) => void (count % 100 === 0 && ended.push(endConnections())),
    isPassing: (code) => code === Code.Unavailable || code === Code.Internal,
  });

  for (const code of codes) expect([Code.Unavailable, Code.Internal]).toContain(code);
  expect(codes.size).toBeGreaterThan(0);
  expect((await Promise.all(ended)).length).toBeGreaterThan(2);
  expect(acknowledged).toBeGreaterThan(300);
  await expectWhole(client, sessions);
  await vi.waitFor(async () => expect(await countTransactions()).toBe(0), { timeout: 10_000 });
});

/** Checks every session of the load against what is to be seen of it. */
async function expectWhole(client: Client<typeof SessionService>, load: readonly Written[]): Promise<void> {
  const { sessions: listed } = await client.listSessions({ query: { limit: 1_000 } }, login);
  const found = new Map(listed.map((session) => [session.id, traceOf(session)]));
  expect([...found.values()]).not.toContain(undefined);
  for (const { id, acknowledged, unsure } of load) {
    if (id === undefined) continue;
    const trace = found.get(id);
    if (acknowledged === "ended" || trace === undefined) {
      expect(trace).toBeUndefined();
      expect(acknowledged === "ended" || unsure?.isEnd).toBe(true);
    } else if (trace.write === unsure?.write) {
      expect(unsure.isEnd).toBe(false);
    } else {
      expect(trace).toEqual(acknowledged);
    }
  }
  await expectTokens(client, load, found);
  // The others are new: of writes that were to create them.
  const known = new Set(load.map(({ id }) => id));
  const creations = load.flatMap(({ id, unsure }) => (id === undefined && unsure ? unsure.write : []));
  for (const [id, trace] of found) if (!known.has(id)) expect(creations).toContain(trace?.write);
}

/** Checks that the token that was told last opens a session that was not changed since. */
async function expectTokens(
  client: Client<typeof SessionService>,
  load: readonly Written[],
  found: ReadonlyMap<string, ReturnType<typeof traceOf>>,
): Promise<void> {
  for (const { id, token, acknowledged } of load) {
    const isAsTold = typeof acknowledged === "object" && found.get(id ?? "")?.write === acknowledged.write;
    if (!isAsTold) continue;
    const { session } = await client.getSession({ sessionId: id, sessionToken: token }, stranger);
    expect(session?.id).toBe(id);
  }
}

async function startServe() {
  const { child, line } = startCommand(["serve"], {
    PORT: "0",
    DATABASE_URL: testDatabase.url,
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: audience,
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const { url } = JSON.parse(await line(/listening/));
  return { child, client: createClient(SessionService, createGrpcTransport({ baseUrl: url })) };
}

async function endConnections(): Promise<void> {
  await admin`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'rollcall'`;
}

/** How many connections of Rollcall's there are; locks and transactions go with them. */
async function countConnections(): Promise<number> {
  const [found] = await admin`
    select count(*)::int as n from pg_stat_activity
    where datname = current_database() and application_name = 'rollcall'`;
  return found?.["n"];
}

/** How many transactions of Rollcall's are open. */
async function countTransactions(): Promise<number> {
  const [found] = await admin`
    select count(*)::int as n from pg_stat_activity
    where datname = current_database() and application_name = 'rollcall' and xact_start is not null`;
  return found?.["n"];
}
