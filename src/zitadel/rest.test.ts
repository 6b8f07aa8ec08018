import { Code, ConnectError, createConnectRouter } from "@connectrpc/connect";
import { createAsyncIterable, type UniversalServerRequest } from "@connectrpc/connect/protocol";
import { describe, expect, test } from "vitest";
import { SessionService } from "../../gen/zitadel/session/v2/session_service_pb.ts";
import { createRestRouter } from "./rest.ts";

const maxBytes = 100;

describe("a field in the path", () => {
  test.each([
    ["of PATCH wins over the body", "PATCH", "/v2/sessions/mine", '{"sessionId":"another"}', "mine"],
    ["of PATCH wins over the body in snake case", "PATCH", "/v2/sessions/mine", '{"session_id":"another"}', "mine"],
    ["of PATCH wins over both", "PATCH", "/v2/sessions/mine", '{"session_id":"a","sessionId":"b"}', "mine"],
    ["of DELETE wins over the body", "DELETE", "/v2/sessions/mine", '{"sessionId":"another"}', "mine"],
    ["of DELETE needs no body", "DELETE", "/v2/sessions/mine", "", "mine"],
    ["of GET wins over the query", "GET", "/v2/sessions/mine?sessionId=another&session_id=another", "", "mine"],
    ["is decoded once", "DELETE", "/v2/sessions/a%2Fb%2520%F0%9F%99%82", "", "a/b%20🙂"],
    ["may look like a number", "DELETE", "/v2/sessions/5", "", "5"],
    ["may look like a name of JavaScript's", "DELETE", "/v2/sessions/__proto__", "", "__proto__"],
  ])("%s", async (_rule, method, path, body, expected) => {
    const { seen } = await send(method, path, body);

    expect(seen).toMatchObject([{ sessionId: expected }]);
  });

  test.each([["/v2/sessions/%"], ["/v2/sessions/%FF"]])("as in %s is refused", async (path) => {
    expect(await send("DELETE", path)).toEqual({ status: 400, code: Code.InvalidArgument, seen: [] });
  });
});

describe("the other fields", () => {
  test("of PATCH come from the body", async () => {
    const { seen } = await send("PATCH", "/v2/sessions/mine", '{"lifetime":"300s","metadata":{"a":"_-8"}}');

    expect(seen).toMatchObject([{ lifetime: { seconds: 300n }, metadata: { a: Uint8Array.of(255, 239) } }]);
  });

  test.each([
    ["camel case", "/v2/sessions/mine?sessionToken=a%20b"],
    ["snake case", "/v2/sessions/mine?session_token=a+b"],
    ["the midst of unknown ones", "/v2/sessions/mine?x=1&sessionToken=a%20b&y"],
  ])("of GET come from the query, in %s", async (_name, path) => {
    expect((await send("GET", path)).seen).toMatchObject([{ sessionId: "mine", sessionToken: "a b" }]);
  });
});

describe("a body", () => {
  test.each([
    ["that is a list", "[]"],
    ["that is a text", '"x"'],
    ["that is null", "null"],
    ["that is cut off", '{"metadata":'],
  ])("%s is refused", async (_name, body) => {
    expect(await send("PATCH", "/v2/sessions/mine", body)).toEqual({
      status: 400,
      code: Code.InvalidArgument,
      seen: [],
    });
  });

  test.each([
    ["PATCH", "/v2/sessions/mine"],
    ["POST", "/v2/sessions/search"],
  ])("of %s that is too large is refused", async (method, path) => {
    const body = JSON.stringify({ unknown: "x".repeat(maxBytes) });

    expect(await send(method, path, body)).toEqual({ status: 429, code: Code.ResourceExhausted, seen: [] });
  });

  test("of GET is refused: it would mean nothing", async () => {
    expect(await send("GET", "/v2/sessions/mine", "{}")).toMatchObject({ code: Code.ResourceExhausted, seen: [] });
  });
});

describe("what the handler is told of the request", () => {
  test("is the authorization, and no header of another protocol", async () => {
    const { headers } = await send("DELETE", "/v2/sessions/mine", "", {
      authorization: "Bearer x",
      "content-type": "text/plain",
      "connect-protocol-version": "7",
      "connect-timeout-ms": "nonsense",
    });

    expect(headers).toEqual({ authorization: "Bearer x", "content-type": "application/json" });
  });
});

/** Sends a request to services that remember what they got and answer with nothing. */
async function send(method: string, path: string, body = "", headers: Record<string, string> = {}) {
  const seen: object[] = [];
  const told: Headers[] = [];
  const remember = (message: object, context: { requestHeader: Headers }) => {
    seen.push(message);
    told.push(context.requestHeader);
    return {};
  };
  const router = createConnectRouter({ readMaxBytes: maxBytes });
  router.service(SessionService, {
    listSessions: remember,
    getSession: remember,
    setSession: remember,
    deleteSession: remember,
  });
  const url = new URL(path, "http://localhost");
  const handler = createRestRouter(router.handlers, maxBytes)(method, url.pathname);
  if (handler === undefined) throw new ConnectError(`nobody serves ${path}`, Code.NotFound);
  const response = await handler(requestOf(method, url, body, headers));
  const [sent] = told;
  if (sent !== undefined) return { status: response.status, seen, headers: Object.fromEntries(sent) };
  let text = "";
  for await (const chunk of response.body ?? []) text += Buffer.from(chunk);
  return { status: response.status, code: JSON.parse(text).code, seen };
}

function requestOf(method: string, url: URL, body: string, headers: Record<string, string>): UniversalServerRequest {
  return {
    httpVersion: "1.1",
    method,
    url: url.href,
    header: new Headers(headers),
    body: createAsyncIterable(body === "" ? [] : [Buffer.from(body)]),
    signal: new AbortController().signal,
  };
}
