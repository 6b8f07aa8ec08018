import http from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import { admin, bearer } from "./clients.ts";

const server = await startTestServer();
afterAll(() => server.close());

const rpc = "/zitadel.session.v2.SessionService/ListSessions";

test.each([
  ["REST", "/v2/sessions/search", "application/json", 401, /"code":16/],
  ["Connect", rpc, "application/json", 401, /"code":"unauthenticated"/],
  ["Connect in bytes", rpc, "application/proto", 401, /"code":"unauthenticated"/],
  ["gRPC-Web", rpc, "application/grpc-web+proto", 200, /grpc-status: 16/],
  ["gRPC-Web as text", rpc, "application/grpc-web-text", 200, /^[A-Za-z0-9+/=]+$/],
])("over %s a bad token is refused before the body is read", async (_name, path, type, status, body) => {
  const headers = { "content-type": type, "content-length": "1000", authorization: "Bearer nonsense" };

  // Nothing of the body is ever sent.
  const answer = await beginPost(`${server.url}${path}`, headers);

  expect(answer).toMatchObject({ status, body: expect.stringMatching(body) });
});

test.each([
  ["REST", "/v2/sessions/search"],
  ["Connect", rpc],
])("over %s a bad token with a bad body is a bad token, a good one a bad body", async (_name, path) => {
  const post = async (authorization: string) => {
    const headers = { authorization, "content-type": "application/json" };
    return (await fetch(`${server.url}${path}`, { method: "POST", headers, body: "{" })).status;
  };

  expect(await post("Bearer nonsense")).toBe(401);
  expect(await post((await bearer(server, admin)).authorization)).toBe(400);
});

async function beginPost(url: string, headers: http.OutgoingHttpHeaders) {
  const request = http.request(url, { method: "POST", headers });
  onTestFinished(() => void request.destroy());
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once("response", resolve).once("error", reject);
    request.flushHeaders();
  });
  return { status: response.statusCode, body: await text(response) };
}
