import { afterAll, describe, expect, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import { admin, bearer } from "./clients.ts";

const server = await startTestServer();
afterAll(() => server.close());

const connectPath = "/zitadel.session.v2.SessionService/ListSessions";

describe("REST, a body that is refused", () => {
  const ids = (value: unknown) => JSON.stringify({ queries: [{ idsQuery: value }] });
  const date = (value: unknown) => JSON.stringify({ queries: [{ creationDateQuery: { creationDate: value } }] });

  test.each([
    ["half an object", "{"],
    ["half a text", '{"query'],
    ["no JSON", "hello"],
    ["JSON and more", "{} {}"],
    ["a list", "[]"],
    ["a text", '"x"'],
    ["a number", "1"],
    ["null", "null"],
    ["a message that is a list", '{"query":[]}'],
    ["a message that is a text", '{"query":"x"}'],
    ["a list that is an object", '{"queries":{}}'],
    ["a list with a null", '{"queries":[null]}'],
    ["a flag that is a text", '{"query":{"asc":"true"}}'],
    ["a flag that is a number", '{"query":{"asc":1}}'],
    ["a number that is no number", '{"query":{"limit":"many"}}'],
    ["a number with a fraction", '{"query":{"limit":1.5}}'],
    ["a negative uint32", '{"query":{"limit":-1}}'],
    ["a uint32 that is too large", '{"query":{"limit":4294967296}}'],
    ["a negative uint64", '{"query":{"offset":"-1"}}'],
    ["a uint64 that is too large", '{"query":{"offset":"18446744073709551616"}}'],
    ["an enum that is an object", '{"sortingColumn":{}}'],
    ["a list of texts that is a text", ids({ ids: "a" })],
    ["a list of texts with a number", ids({ ids: [1] })],
    ["a list of texts with a null", ids({ ids: [null] })],
    ["a date that is a number", date(0)],
    ["a date in words", date("yesterday")],
    ["a date without a time", date("2026-03-01")],
    ["a date without an offset", date("2026-03-01T12:00:00")],
    ["a date in the year 0", date("0000-12-31T23:59:59Z")],
    ["a date in the year 10000", date("10000-01-01T00:00:00Z")],
    ["a thirteenth month", date("2026-13-01T00:00:00Z")],
    ["a member that is given twice", '{"queries":[],"sortingColumn":1,"sorting_column":1}'],
    ["two conditions in one query", '{"queries":[{"idsQuery":{},"userIdQuery":{}}]}'],
  ])("%s", async (_name, body) => {
    const { status, json } = await post("/v2/sessions/search", body);

    expect({ status, json }).toEqual({ status: 400, json: { code: 3, message: expect.stringMatching(/./) } });
  });

  test.each([
    ["an empty query", "{}"],
    ["a null for the condition", '{"idsQuery":null}'],
    ["a condition that is misspelt", '{"idQuery":{"ids":[]}}'],
  ])("%s", async (_name, query) => {
    const { status, json } = await post("/v2/sessions/search", `{"queries":[${query}]}`);

    expect({ status, json }).toEqual({
      status: 400,
      json: { code: 3, message: "queries[0].query: value is required" },
    });
  });
});

describe("error bodies", () => {
  test("of REST have the number of the code, and the detail by its type", async () => {
    const { status, json, contentType } = await post("/v2/sessions/search", '{"query":{"limit":1001}}');

    expect(contentType).toBe("application/json");
    expect({ status, json }).toEqual({
      status: 400,
      json: {
        code: 3,
        message: "Errors.Query.LimitExceeded (QUERY-4M0fs)",
        details: [
          {
            "@type": "type.googleapis.com/zitadel.v1.ErrorDetail",
            id: "QUERY-4M0fs",
            message: "Errors.Query.LimitExceeded",
          },
        ],
      },
    });
  });

  test("of Connect have the name of the code, and the detail in bytes too", async () => {
    const { status, json } = await post(connectPath, '{"query":{"limit":1001}}');

    expect({ status, json }).toEqual({
      status: 400,
      json: {
        code: "invalid_argument",
        message: "Errors.Query.LimitExceeded (QUERY-4M0fs)",
        details: [
          {
            type: "zitadel.v1.ErrorDetail",
            value: expect.stringMatching(/^[A-Za-z0-9+/]+$/),
            debug: { id: "QUERY-4M0fs", message: "Errors.Query.LimitExceeded" },
          },
        ],
      },
    });
  });

  test.each([
    ["REST", "/v2/sessions/search", 16],
    ["REST of v2beta", "/v2beta/sessions/search", 16],
    ["REST of AuthService", "/auth/v1/users/me/sessions/_search", 16],
    ["Connect", connectPath, "unauthenticated"],
  ])("of %s have no details if there are none", async (_name, path, code) => {
    const response = await fetch(`${server.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });

    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({ code, message: "auth header missing" });
  });

  test("of a token that is not good name Zitadel's error", async () => {
    const { status, json } = await post("/v2/sessions/search", "{}", { authorization: "Bearer nonsense" });

    expect({ status, json }).toEqual({
      status: 401,
      json: {
        code: 16,
        message: "Errors.Token.Invalid (AUTH-7fs1e)",
        details: [
          { "@type": "type.googleapis.com/zitadel.v1.ErrorDetail", id: "AUTH-7fs1e", message: "Errors.Token.Invalid" },
        ],
      },
    });
  });
});

describe("paths and verbs", () => {
  test.each([
    ["POST", "/"],
    ["POST", "/v2/sessions/search/"],
    ["POST", "/v2//sessions/search"],
    ["POST", "/V2/sessions/search"],
    ["POST", "/v3/sessions/search"],
    ["GET", "/v2/sessions/"],
    ["GET", "/v2/sessions/a/b"],
    ["POST", "/users/me/sessions/_search"],
    ["POST", "/zitadel.session.v2.SessionService/Unknown"],
    ["POST", "/zitadel.session.v2.SessionService/listSessions"],
    ["POST", `${connectPath}/`],
  ])("%s %s is not found", async (method, path) => {
    const response = await fetch(`${server.url}${path}`, { method });

    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ code: 5, message: "Not Found" });
  });

  test.each([
    ["GET", "/v2/sessions"],
    ["PUT", "/v2/sessions"],
    ["PUT", "/v2/sessions/search"],
    ["POST", "/v2/sessions/an-id"],
    ["GET", "/v2beta/sessions"],
    ["GET", "/auth/v1/users/me/sessions/_search"],
    ["DELETE", "/auth/v1/users/me/sessions/_search"],
  ])("%s %s is not allowed", async (method, path) => {
    const response = await fetch(`${server.url}${path}`, { method });

    expect(response.status).toBe(405);
    expect(await response.json()).toEqual({ code: 12, message: "Method Not Allowed" });
  });

  test.each([
    ["GET", connectPath],
    ["GET", `${connectPath}?connect=v1&encoding=json&message=%7B%7D`],
    ["PUT", connectPath],
    ["GET", "/zitadel.session.v2beta.SessionService/ListSessions"],
    ["GET", "/zitadel.auth.v1.AuthService/ListMyUserSessions"],
  ])("%s %s is not allowed, and has no body", async (method, path) => {
    const response = await fetch(`${server.url}${path}`, { method });

    expect({ status: response.status, body: await response.text() }).toEqual({ status: 405, body: "" });
  });

  test.each([
    ["PATCH", "/v2/sessions/an-id", "[]"],
    ["PATCH", "/v2/sessions/an-id", "{"],
    ["DELETE", "/v2/sessions/%FF", "{}"],
    ["DELETE", "/v2/sessions/%", "{}"],
  ])("%s %s with %s is refused", async (method, path, body) => {
    const response = await fetch(`${server.url}${path}`, { method, body, headers: await bearer(server, admin) });

    expect({ status: response.status, json: await response.json() }).toMatchObject({ status: 400, json: { code: 3 } });
  });
});

async function post(path: string, body: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${server.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(await bearer(server, admin)), ...headers },
    body,
  });
  return {
    status: response.status,
    contentType: response.headers.get("content-type"),
    json: await response.json(),
  };
}
