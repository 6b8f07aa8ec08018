import { gzipSync } from "node:zlib";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SessionService } from "../../gen/zitadel/session/v2/session_service_pb.ts";
import { maxMessageBytes } from "../../src/server.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let headers: { authorization: string };

beforeAll(async () => {
  server = await startTestServer();
  headers = { authorization: `Bearer ${await server.issuer.token({ scope: "session.read" })}` };
});
afterAll(() => server.close());

describe("a message that is too large", () => {
  const tooLarge = {
    queries: [{ query: { case: "idsQuery" as const, value: { ids: ["x".repeat(maxMessageBytes)] } } }],
  };

  test.each([
    ["gRPC", (baseUrl: string) => createGrpcTransport({ baseUrl })],
    ["gRPC, compressed", (baseUrl: string) => createGrpcTransport({ baseUrl, sendCompression: compressionGzip })],
    ["gRPC-Web", (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
    ["Connect", (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
    ["Connect over HTTP/2", (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "2" })],
  ])("is refused over %s with a clear error", async (_name, createTransport) => {
    const client = createClient(SessionService, createTransport(server.url));

    const error = await client.listSessions(tooLarge, { headers }).catch((error) => error);

    expect(error).toBeInstanceOf(ConnectError);
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(error.rawMessage).toContain(String(maxMessageBytes));
  });

  test("is refused over REST with a clear error", async () => {
    const body = JSON.stringify({ unknown: "x".repeat(maxMessageBytes) });

    const response = await fetch(`${server.url}/v2/sessions/search`, { method: "POST", headers, body });

    expect([response.status, await response.json()]).toEqual([
      429,
      { code: 8, message: expect.stringContaining(String(maxMessageBytes)) },
    ]);
  });

  test("is refused when only its gzip is small", async () => {
    const response = await fetch(`${server.url}/zitadel.session.v2.SessionService/ListSessions`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json", "content-encoding": "gzip" },
      body: gzipSync(Buffer.alloc(50 * maxMessageBytes, " ")),
    });

    expect([response.status, await response.json()]).toMatchObject([429, { code: "resource_exhausted" }]);
  });
});

test("a message of just the largest size is read", async () => {
  const rest = `{"unknown":""}`.length;
  const body = JSON.stringify({ unknown: "x".repeat(maxMessageBytes - rest) });

  const response = await fetch(`${server.url}/v2/sessions/search`, { method: "POST", headers, body });

  expect(response.status).toBe(200);
});

describe("compression", () => {
  beforeAll(async () => {
    for (let i = 0; i < 20; i += 1) await server.given.session();
  });

  test.each([
    ["br", null],
    ["br, gzip", "gzip"],
    ["gzip", "gzip"],
  ])("for a client that accepts %s is %s", async (accepted, expected) => {
    const response = await fetch(`${server.url}/zitadel.session.v2.SessionService/ListSessions`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json", "accept-encoding": accepted },
      body: "{}",
    });

    expect(response.headers.get("content-encoding")).toBe(expected);
    expect(await response.json()).toMatchObject({ details: { totalResult: "20" } });
  });

  test("a request in brotli is refused with a clear error", async () => {
    const transport = createGrpcTransport({
      baseUrl: server.url,
      sendCompression: compressionBrotli,
      compressMinBytes: 0,
    });

    const error = await createClient(SessionService, transport)
      .listSessions({ query: { limit: 1 } }, { headers })
      .catch((error) => error);

    expect(error).toMatchObject({ code: Code.Unimplemented, rawMessage: expect.stringContaining("br") });
  });
});
