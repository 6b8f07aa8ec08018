import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { startTestServer } from "../support/server.ts";
import { exchange, givenSession, request } from "../support/sockets.ts";

const server = await startTestServer();
afterAll(() => server.close());
beforeEach(() => {
  server.log.length = 0;
});
const authorization = `Bearer ${await server.issuer.token({ scope: "session.read" })}`;

const id = { slash: "a/b", dots: "a..", letter: "é", plain: "a" };
beforeAll(async () => {
  for (const sessionId of Object.values(id)) await server.given.session({ id: sessionId });
});

const refusal = { status: 400, body: expect.stringContaining("a plain path") };
const protocols = [
  ["HTTP/1", askHttp1],
  ["HTTP/2", askHttp2],
] as const;

describe.each(protocols)("a path over %s", (_name, ask) => {
  test.each([
    ["that leaves its folder", "POST", "/x/../v2/sessions/search"],
    ["that leaves its folder in other letters", "POST", "/x/%2e%2e/v2/sessions/search"],
    ["that begins outside", "POST", "/%2E%2e/v2/sessions/search"],
    ["that goes nowhere", "POST", "/./v2/sessions/search"],
    ["that looks like a host", "POST", "//elsewhere.example/v2/sessions/search"],
    ["that is no path", "OPTIONS", "*"],
  ])("%s is refused, and stands in the log as it was sent", async (_rule, method, path) => {
    expect(await ask(method, path)).toMatchObject(refusal);

    await expectRefusalInLog(method, path);
  });

  test.each([
    ["a slash", "/v2/sessions/a%2Fb", id.slash],
    ["dots", "/v2/sessions/a%2e%2e", id.dots],
    ["a letter outside ASCII", "/v2/sessions/%C3%A9", id.letter],
    ["a query that holds what a path may not", "/v2/sessions/a?b=/../http://elsewhere.example/", id.plain],
  ])("whose id has %s is served", async (_rule, path, sessionId) => {
    const { status, body } = await ask("GET", path);

    expect([status, JSON.parse(body)]).toMatchObject([200, { session: { id: sessionId } }]);
  });
});

// HTTP/2 has no such form: node resets the stream.
test("a path of another host over HTTP/1 is refused, and stands in the log as it was sent", async () => {
  const path = "http://elsewhere.example/v2/sessions/search";

  expect(await askHttp1("POST", path)).toMatchObject(refusal);

  await expectRefusalInLog("POST", path);
});

test("a path after our own address is served, as proxies send it", async () => {
  const { status, body } = await askHttp1("GET", "http://localhost/v2/sessions/a");

  expect([status, JSON.parse(body)]).toMatchObject([200, { session: { id: id.plain } }]);
});

async function expectRefusalInLog(method: string, path: string): Promise<void> {
  await vi.waitFor(() => expect(server.log).not.toEqual([]));
  expect(server.log).toMatchObject([
    { level: 30, msg: "request", method, path, status: 400, code: "invalid_argument" },
  ]);
}

async function askHttp1(method: string, path: string): Promise<{ status: number; body: string }> {
  const headers = `Host: localhost\r\nAuthorization: ${authorization}\r\nContent-Length: 0\r\nConnection: close\r\n`;
  const answer = await exchange(server.url, `${method} ${path} HTTP/1.1\r\n${headers}\r\n`);
  const body = Buffer.from(answer.slice(answer.indexOf("\r\n\r\n") + 4), "latin1").toString();
  return { status: Number(answer.split(" ")[1]), body };
}

async function askHttp2(method: string, path: string) {
  return await request(givenSession(server.url), { ":method": method, ":path": path, authorization });
}
