import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SignedIn, startKratosServer } from "../support/kratos.ts";

const server = await startKratosServer();
afterAll(() => server.close());
const { ask } = server;

let ann: SignedIn;
let manager: { authorization: string };
beforeAll(async () => {
  ann = await server.signIn();
  manager = await server.manager();
});

const noCookie = "No valid session cookie found.";
const noCredentials = "No valid session credentials found in the request.";
const json = { "content-type": "application/json; charset=utf-8" };
const errorJson = { "content-type": "application/json", "ory-error-id": "" };
const unauthorized = (reason: string) =>
  `{"error":{"code":401,"status":"Unauthorized","reason":"${reason}","message":"The request could not be authorized"}}\n`;

describe("a 401 reads word for word", () => {
  test.each([
    ["GET", "/sessions/whoami", noCredentials],
    ["PUT", "/sessions/whoami", noCredentials],
    ["GET", "/sessions", noCookie],
    ["DELETE", "/sessions", noCookie],
    ["DELETE", "/sessions/0197f1d0-0000-7000-8000-000000000001", noCookie],
    ["DELETE", "/sessions/%00", noCookie],
  ])("%s %s", async (method, path, reason) => {
    const none = await ask(method, path);
    const unknown = await ask(method, path, { headers: { "x-session-token": `ory_st_${"a".repeat(32)}` } });

    for (const { status, text } of [none, unknown]) {
      expect({ status, text }).toEqual({ status: 401, text: unauthorized(reason) });
    }
  });

  test.each([
    ["GET", "/admin/sessions"],
    ["POST", "/admin/sessions"],
    ["GET", "/admin/sessions/a"],
    ["DELETE", "/admin/sessions/a"],
    ["PATCH", "/admin/sessions/a/extend"],
    ["GET", "/admin/identities/a/sessions"],
    ["DELETE", "/admin/identities/a/sessions"],
  ])("%s %s", async (method, path) => {
    const { status, text } = await ask(method, path, { headers: ann.headers });

    expect({ status, text }).toEqual({ status: 401, text: unauthorized("auth header missing") });
  });
});

describe("the headers of an answer", () => {
  test.each<[string, string, string, number, Record<string, string | null>]>([
    ["a list", "GET", "/sessions", 200, { ...cached(true), ...json, "ory-error-id": null }],
    ["whoami", "GET", "/sessions/whoami", 200, { ...cached(true), ...json, "ory-error-id": null }],
    ["the end of others", "DELETE", "/sessions", 200, { ...cached(false), ...json, vary: "Cookie" }],
    ["the end of one", "DELETE", "/sessions/none", 204, { ...cached(false), ...json, vary: "Cookie" }],
    ["a bad id", "DELETE", "/sessions/%00", 400, { ...cached(false), ...errorJson, vary: "Cookie" }],
    ["an admin list", "GET", "/admin/sessions", 200, { ...cached(true), ...json, vary: null }],
    ["an admin's not found", "GET", "/admin/sessions/none", 404, { ...cached(true), ...errorJson, vary: null }],
    ["a wrong method", "PUT", "/sessions", 405, { ...errorJson, vary: "Cookie" }],
    ["an unknown path", "GET", "/sessions/a/b", 404, { ...errorJson, vary: "Cookie" }],
  ])("%s: %s %s", async (_name, method, path, expectedStatus, expected) => {
    const { status, headers } = await ask(method, path, { headers: { ...ann.headers, ...manager } });

    expect(status).toBe(expectedStatus);
    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, headers.get(name)]))).toEqual(expected);
  });

  test("a 401 has an error id, which is empty, and is not to be cached", async () => {
    const { headers } = await ask("GET", "/sessions");

    expect(headers.get("ory-error-id")).toBe("");
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("cache-control")).toBe("private, no-cache, no-store, must-revalidate");
    expect(headers.get("vary")).toBe("Cookie");
  });

  test("the erasure of a user's sessions has no content type", async () => {
    const { user } = await server.signIn();

    const { status, headers } = await ask("DELETE", `/admin/identities/${user.id}/sessions`, { headers: manager });

    expect({ status, contentType: headers.get("content-type") }).toEqual({ status: 204, contentType: null });
  });

  test("no answer sets a cookie", async () => {
    for (const path of ["/sessions", "/sessions/whoami"]) {
      const { headers } = await ask("GET", path, { headers: { cookie: `ory_kratos_session=${ann.token}` } });
      expect(headers.has("set-cookie")).toBe(false);
    }
  });
});

describe("X-Request-ID", () => {
  test.each([
    ["GET", "/sessions", 401],
    ["DELETE", "/sessions/%00", 401],
    ["GET", "/admin/sessions", 401],
    ["GET", "/sessions/a/b", 404],
    ["PUT", "/sessions", 405],
  ])("is told again: %s %s", async (method, path, expected) => {
    const { status, json } = await ask(method, path, { headers: { "x-request-id": "r-1 <b>" } });

    expect({ status, request: json.error.request }).toEqual({ status: expected, request: "r-1 <b>" });
  });

  test("stands between status and reason", async () => {
    const { text } = await ask("GET", "/sessions", { headers: { "x-request-id": "r-1" } });

    expect(text).toContain('"status":"Unauthorized","request":"r-1","reason":');
  });

  test.each([
    ["is not made up", {}],
    ["is not told if it is too long", { "x-request-id": "x".repeat(201) }],
    ["is not told if it is empty", { "x-request-id": "" }],
  ])("%s", async (_rule, headers) => {
    expect((await ask("GET", "/sessions", { headers })).json.error).not.toHaveProperty("request");
  });
});

describe("HEAD", () => {
  test.each([
    "/sessions",
    "/sessions/whoami",
    "/admin/sessions",
    "/admin/sessions/none",
    "/admin/identities/a/sessions",
  ])("%s answers as GET, without a body", async (path) => {
    const headers = { ...ann.headers, ...manager };
    const [get, head] = [await ask("GET", path, { headers }), await ask("HEAD", path, { headers })];

    expect([head.status, head.text]).toEqual([get.status, ""]);
    for (const name of ["content-type", "content-length", "link", "x-total-count", "cache-control", "ory-error-id"]) {
      expect([name, head.headers.get(name)]).toEqual([name, get.headers.get(name)]);
    }
  });
});

describe("paths and methods", () => {
  test.each([
    ["GET", "/sessions/a/b"],
    ["PATCH", "/sessions/a/extend"],
    ["DELETE", "/sessions/a/"],
    ["GET", "/admin/"],
    ["GET", "/admin/identities"],
    ["GET", "/admin/identities/a"],
    ["GET", "/admin/sessions/a/b"],
    ["GET", "/admin/Sessions"],
  ])("%s %s is not found", async (method, path) => {
    const { status, text } = await ask(method, path, { headers: { ...ann.headers, ...manager } });

    const message = "The requested resource could not be found";
    expect({ status, text }).toEqual({
      status: 404,
      text: `{"error":{"code":404,"status":"Not Found","message":"${message}"}}\n`,
    });
  });

  test.each([
    ["POST", "/sessions", "DELETE, GET, HEAD"],
    ["OPTIONS", "/sessions", "DELETE, GET, HEAD"],
    ["GET", "/sessions/0197f1d0-0000-7000-8000-000000000001", "DELETE"],
    ["GET", "/sessions/", "DELETE"],
    ["PUT", "/admin/sessions", "DELETE, GET, HEAD, POST"],
    ["PATCH", "/admin/sessions/a", "DELETE, GET, HEAD"],
    ["POST", "/admin/sessions/a/extend", "PATCH"],
    ["PATCH", "/admin/identities/a/sessions", "DELETE, GET, HEAD"],
  ])("%s %s is not allowed", async (method, path, allow) => {
    const { status, headers, json } = await ask(method, path, { headers: { ...ann.headers, ...manager } });

    expect({ status, allow: headers.get("allow") }).toEqual({ status: 405, allow });
    expect(json.error).toMatchObject({ code: 405, status: "Method Not Allowed" });
  });

  test.each([
    ["GET", "/admin/sessions/whoami?a=b", "/sessions/whoami?a=b"],
    ["DELETE", "/admin/sessions", "/sessions"],
    ["DELETE", "/identities/a%2Fb/sessions", "/admin/identities/a%2Fb/sessions"],
  ])("%s %s is somewhere else on the same port", async (method, path, location) => {
    const { status, headers } = await ask(method, path);

    expect({ status, location: headers.get("location") }).toEqual({ status: 307, location });
  });

  test.each(["/", "/sessionsx", "/v2/kratos", "/identities"])("%s is none of Kratos's", async (path) => {
    const { status, json } = await ask("GET", path);

    expect({ status, json }).toEqual({ status: 404, json: { code: 5, message: "Not Found" } });
  });
});

function cached(isRead: boolean) {
  return { "cache-control": isRead ? "private, no-cache, no-store, must-revalidate" : null };
}
