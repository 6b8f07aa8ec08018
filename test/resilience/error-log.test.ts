import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, openTestDatabase, type TestDatabase } from "../support/database.ts";
import { now } from "../support/given.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const secret = "ann@private.example";
const whatWeAsked = /\b(?:select|insert|update|delete|from|where)\b|\$1/i;

let testDatabase: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  testDatabase = await createTestDatabase();
  const broken = openTestDatabase(testDatabase.url);
  await broken.client`drop table sessions cascade`;
  await broken.close();
});
afterAll(() => testDatabase.drop());

describe("a query that fails is in the log without what the caller sent", () => {
  beforeAll(async () => {
    const broken = openTestDatabase(testDatabase.url);
    const started = await startTestServer({ directory: { database: broken, now: () => now } });
    server = { ...started, close: () => started.close().then(() => broken.close()) };
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.log.length = 0;
  });
  const byIds = JSON.stringify({ queries: [{ idsQuery: { ids: [secret] } }] });

  test.each([
    ["REST", "POST", "/v2/sessions/search", byIds],
    ["Connect", "POST", "/zitadel.session.v2.SessionService/ListSessions", byIds],
    ["Kratos", "DELETE", `/admin/identities/a/sessions?${secret}`, undefined],
  ])("%s", async (_name, method, path, body) => {
    const authorization = `Bearer ${await server.issuer.token({ scope: "session.read session.delete", sub: "manager" })}`;
    const headers = { authorization, "content-type": "application/json" };

    const response = await fetch(`${server.url}${path}`, { method, headers, body });

    expect(response.status).toBe(500);
    expectErrorInLog('relation "sessions" does not exist');
  });
});

describe("a caller who cannot be looked up is not in the log", () => {
  test.each([
    ["REST", "POST", "/v2/sessions/search"],
    ["Connect", "POST", "/zitadel.session.v2.SessionService/ListSessions"],
    ["Kratos", "GET", "/sessions/whoami"],
    ["Kratos, managing", "GET", "/admin/sessions"],
  ])("by %s", async (_name, method, path) => {
    server = await startTestServer({ databaseUrl: testDatabase.url });
    const authorization = `Bearer ${await server.issuer.token({ sub: secret, sid: secret, scope: "session.read" })}`;
    const headers = { authorization, "content-type": "application/json" };
    const body = method === "POST" ? "{}" : undefined;

    const response = await fetch(`${server.url}${path}`, { method, headers, body });

    expect(response.status).toBe(500);
    expectErrorInLog('relation "sessions" does not exist');
    await server.close();
  });
});

function expectErrorInLog(message: string): void {
  expect(server.log).toMatchObject([{ level: 50, err: { message } }]);
  const [{ err }] = server.log as [{ err: unknown }];
  expect(JSON.stringify(server.log)).not.toContain(secret);
  expect(JSON.stringify(err)).not.toMatch(whatWeAsked);
}
