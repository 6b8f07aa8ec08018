import { afterAll, describe, expect, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import { admin, bearer } from "./clients.ts";

const console = "https://console.example.com";
const restricted = await startTestServer({ corsOrigins: [console, "http://localhost:3000"] });
const open = await startTestServer({ corsOrigins: ["*"] });
const closed = await startTestServer();
afterAll(async () => {
  for (const server of [restricted, open, closed]) await server.close();
});

const paths = {
  Connect: "/zitadel.session.v2.SessionService/ListSessions",
  REST: "/v2/sessions/search",
};

describe("a preflight request", () => {
  test.each([
    ["Connect", "POST", paths.Connect, "authorization,content-type,connect-protocol-version,connect-timeout-ms"],
    ["gRPC-Web", "POST", paths.Connect, "authorization,content-type,x-grpc-web,x-user-agent,grpc-timeout"],
    ["REST", "POST", paths.REST, "authorization,content-type,accept-language"],
    ["REST that changes a session", "PATCH", "/v2/sessions/an-id", "authorization,content-type"],
    ["REST that ends a session", "DELETE", "/v2/sessions/an-id", "authorization,content-type"],
    ["Zitadel's console", "POST", paths.Connect, "authorization,content-type,x-grpc-web,x-zitadel-orgid"],
  ])("lets %s send its headers", async (_name, method, path, headers) => {
    const response = await preflight(restricted.url, console, { method, path, headers });

    expect({ status: response.status, body: await response.text() }).toEqual({ status: 204, body: "" });
    expect(response.headers.get("access-control-allow-origin")).toBe(console);
    expect(words(response, "access-control-allow-methods")).toContain(method.toLowerCase());
    expect(words(response, "access-control-allow-headers")).toEqual(expect.arrayContaining(headers.split(",")));
  });

  test("may be remembered for two hours, but not for another origin", async () => {
    const response = await preflight(restricted.url, console);

    expect(response.headers.get("access-control-max-age")).toBe("7200");
    expect(words(response, "vary")).toContain("origin");
  });

  test("allows credentials to an origin that is named, but not to any", async () => {
    const named = await preflight(restricted.url, console);
    const any = await preflight(open.url, console);

    expect(named.headers.get("access-control-allow-credentials")).toBe("true");
    expect(any.headers.has("access-control-allow-credentials")).toBe(false);
  });
});

describe("the answer to a page", () => {
  test.each([
    ["Connect", paths.Connect, 200],
    ["REST", paths.REST, 200],
    ["a path that nobody serves", "/nowhere", 404],
  ])("of an allowed origin can be read: %s", async (_name, path, status) => {
    const response = await call(restricted, console, path);

    expect(response.status).toBe(status);
    expect(response.headers.get("access-control-allow-origin")).toBe(console);
    expect(words(response, "vary")).toContain("origin");
    expect(words(response, "access-control-expose-headers")).toEqual(
      expect.arrayContaining(["grpc-status", "grpc-message", "grpc-status-details-bin"]),
    );
  });

  test("of an allowed origin can be read also if the token is missing", async () => {
    const headers = { origin: console, "content-type": "application/json" };
    const response = await fetch(`${restricted.url}${paths.REST}`, { method: "POST", headers });

    expect(response.status).toBe(401);
    expect(response.headers.get("access-control-allow-origin")).toBe(console);
  });
});

describe("origins", () => {
  test.each([
    ["another one", "https://evil.example.com"],
    ["one that only begins like an allowed one", `${console}.evil.com`],
    ["one that differs by its port", `${console}:8443`],
    ["one that differs by its scheme", "http://console.example.com"],
    ["a page without an origin", "null"],
  ])("%s may neither ask nor read", async (_name, origin) => {
    const asked = await preflight(restricted.url, origin);
    const answered = await call(restricted, origin, paths.REST);

    expect(corsHeaders(asked)).toEqual([]);
    expect(corsHeaders(answered)).toEqual([]);
    expect([...words(asked, "vary"), ...words(answered, "vary")]).toEqual(["origin", "origin"]);
  });

  test("the second of several may read", async () => {
    const response = await call(restricted, "http://localhost:3000", paths.REST);

    expect(response.headers.get("access-control-allow-origin")).toBe("http://localhost:3000");
  });

  test("* means any", async () => {
    for (const response of [
      await preflight(open.url, "https://a.com"),
      await call(open, "https://a.com", paths.REST),
    ]) {
      expect(response.headers.get("access-control-allow-origin")).toBe("https://a.com");
    }
  });

  test("none configured: no page may ask or read, and nothing is said about it", async () => {
    const asked = await preflight(closed.url, console);
    const answered = await call(closed, console, paths.REST);

    expect([...corsHeaders(asked), ...corsHeaders(answered)]).toEqual([]);
    expect(asked.status).toBe(405);
    expect(answered.status).toBe(200);
  });

  test("a caller that is no page gets no word about origins, but caches are told", async () => {
    const response = await call(open, undefined, paths.REST);

    expect(corsHeaders(response)).toEqual([]);
    expect(words(response, "vary")).toContain("origin");
  });
});

async function preflight(
  url: string,
  origin: string,
  { method = "POST", path = paths.REST, headers = "authorization" } = {},
): Promise<Response> {
  const asked = { "access-control-request-method": method, "access-control-request-headers": headers };
  return await fetch(`${url}${path}`, { method: "OPTIONS", headers: { origin, ...asked } });
}

async function call(server: typeof open, origin: string | undefined, path: string): Promise<Response> {
  const ofPage = origin === undefined ? {} : { origin };
  const sent = { "content-type": "application/json", ...(await bearer(server, admin)), ...ofPage };
  return await fetch(`${server.url}${path}`, { method: "POST", headers: sent, body: "{}" });
}

function words(response: Response, header: string): string[] {
  return (response.headers.get(header) ?? "").toLowerCase().split(/, ?/);
}

function corsHeaders(response: Response): string[] {
  return [...response.headers.keys()].filter((name) => name.startsWith("access-control-"));
}
