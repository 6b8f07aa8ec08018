import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { createAsyncIterable, readAllBytes, type UniversalServerRequest } from "@connectrpc/connect/protocol";
import { describe, expect, test } from "vitest";
import { type Reason, reasons, SessionError } from "../errors.ts";
import { type RequestRecord, requestRecord } from "../http/listener.ts";
import { toErrorAnswer } from "./error.ts";

const aalReason =
  "An active session was found but it does not fulfill the requested Authenticator Assurance Level. Please verify yourself with a second factor to resolve this issue.";

describe("an error", () => {
  test.each<[Reason, number, object]>([
    [
      "session_missing",
      401,
      {
        code: 401,
        status: "Unauthorized",
        reason: "No valid session cookie found.",
        message: "The request could not be authorized",
      },
    ],
    [
      "credentials_missing",
      401,
      {
        code: 401,
        status: "Unauthorized",
        reason: "No valid session credentials found in the request.",
        message: "The request could not be authorized",
      },
    ],
    ["invalid_request", 400, { code: 400, status: "Bad Request", message: "own text" }],
    [
      "expand_unknown",
      400,
      {
        code: 400,
        status: "Bad Request",
        reason: "own text",
        message: "The request was malformed or contained invalid parameters",
      },
    ],
    ["session_not_found", 404, { code: 404, status: "Not Found", message: "Unable to locate the resource" }],
    ["route_unknown", 404, { code: 404, status: "Not Found", message: "The requested resource could not be found" }],
    [
      "internal",
      500,
      {
        code: 500,
        status: "Internal Server Error",
        message: "An internal server error occurred, please contact the system administrator",
      },
    ],
    [
      "issuer_unavailable",
      503,
      {
        code: 503,
        status: "Service Unavailable",
        reason: "own text",
        message: "The service is not available at the moment, please try again later",
      },
    ],
  ])("%s is a %d with Kratos's texts", (reason, status, error) => {
    const answer = toErrorAnswer(new SessionError(reason, "own text"), givenRequest());

    expect(answer).toEqual({
      status,
      header: { "content-type": "application/json", "ory-error-id": "" },
      json: { error },
    });
  });

  test("has its keys in Kratos's order", () => {
    const request = givenRequest({ "x-request-id": "r-1" });

    expect(JSON.stringify(toErrorAnswer(new SessionError("session_missing", ""), request).json)).toBe(
      '{"error":{"code":401,"status":"Unauthorized","request":"r-1","reason":"No valid session cookie found.","message":"The request could not be authorized"}}',
    );
  });

  test("of a session that is not assured enough tells where to become so", () => {
    const request = givenRequest({ "x-request-id": "r-1" });
    const { status, header, json } = toErrorAnswer(new SessionError("assurance_too_low", "own text"), request);
    const url = "https://id.example.com/self-service/login/browser?aal=aal2";

    expect(status).toBe(403);
    expect(header?.["ory-error-id"]).toBe("session_aal2_required");
    expect(JSON.stringify(json)).toBe(
      `{"error":{"id":"session_aal2_required","code":403,"status":"Forbidden","reason":"${aalReason}","details":{"redirect_browser_to":"${url}"},"message":"Session does not fulfill the requested Authenticator Assurance Level"},"redirect_browser_to":"${url}"}`,
    );
  });

  test.each(["", "a".repeat(201), "tab\there", "\u00e9"])("does not echo the request id %j", (id) => {
    const answer = toErrorAnswer(new SessionError("internal", ""), givenRequest({ "x-request-id": id }));

    expect(JSON.stringify(answer.json)).not.toContain('"request"');
  });

  test.each(Object.keys(reasons) as Reason[])("%s has a status of 4xx or 5xx and a message", (reason) => {
    const { status, json } = toErrorAnswer(new SessionError(reason, "own text"), givenRequest());

    expect(status).toBeGreaterThanOrEqual(400);
    expect(json).toMatchObject({ error: { code: status, message: expect.stringMatching(/./) } });
  });
});

describe("what is not for callers", () => {
  test.each([
    ["a lost connection", withCode("CONNECTION_CLOSED")],
    ["a connection that took too long", withCode("CONNECT_TIMEOUT")],
    ["a refused connection", withCode("ECONNREFUSED")],
    ["a server that shuts down", withCode("57P01")],
    ["a broken connection", withCode("08006")],
    ["too many connections", withCode("53300")],
    ["one of these, as the query builder wraps it", new Error("select", { cause: withCode("ECONNRESET") })],
  ])("is a 503 for %s", (_name, error) => {
    expect(toErrorAnswer(error, givenRequest())).toMatchObject({ status: 503 });
  });

  test.each([
    ["a mistake in SQL", withCode("42601")],
    ["a cancelled query", withCode("57014")],
    ["a mistake of ours", new TypeError("x is not a function")],
    ["nothing", undefined],
    ["a text", "ECONNREFUSED"],
  ])("is a 500 for %s", (_name, error) => {
    expect(toErrorAnswer(error, givenRequest())).toMatchObject({ status: 500 });
  });

  test("is in the log only", () => {
    const record: RequestRecord = {};
    const error = new Error("select token from sessions", { cause: withCode("42601") });
    const answer = toErrorAnswer(error, givenRequest({}, { record }));

    expect(JSON.stringify(answer)).not.toMatch(/select|token|42601/);
    expect(record).toEqual({ code: "internal", err: error });
  });

  test("is, for a caller's own mistake, no error of ours", () => {
    const record: RequestRecord = {};
    toErrorAnswer(new SessionError("session_missing", "own text"), givenRequest({}, { record }));

    expect(record).toEqual({ code: "unauthenticated", reason: "own text" });
  });
});

describe("a request that is over", () => {
  test.each([
    ["too late", new ConnectError("took too long", Code.DeadlineExceeded), 504, "deadline_exceeded"],
    ["without a client", new Error("aborted"), 499, "canceled"],
  ])("%s", (_name, reason, status, code) => {
    const record: RequestRecord = {};
    const request = givenRequest({}, { record, signal: AbortSignal.abort(reason) });

    expect(toErrorAnswer(withCode("57014"), request)).toMatchObject({ status, json: { error: { code: status } } });
    expect(record).toEqual({ code });
  });
});

test("a body that is too large is a 413", async () => {
  const read = readAllBytes(createAsyncIterable([Buffer.alloc(2)]), 1);
  const error = await read.catch((error: unknown) => error);

  expect(toErrorAnswer(error, givenRequest())).toMatchObject({ status: 413, json: { error: { code: 413 } } });
});

function withCode(code: string): Error {
  return Object.assign(new Error("of the driver"), { code });
}

function givenRequest(
  header: Record<string, string> = {},
  { record = {}, signal = new AbortController().signal }: { record?: RequestRecord; signal?: AbortSignal } = {},
): UniversalServerRequest {
  return {
    httpVersion: "1.1",
    method: "GET",
    url: "https://id.example.com/sessions",
    header: new Headers(header),
    body: createAsyncIterable([]),
    signal,
    contextValues: createContextValues().set(requestRecord, record),
  };
}
