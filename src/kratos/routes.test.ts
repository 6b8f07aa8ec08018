import { createAsyncIterable, readAllBytes } from "@connectrpc/connect/protocol";
import { describe, expect, test } from "vitest";
import { at, givenSession, givenUser } from "../../test/support/rows.ts";
import type { Directory } from "../directory.ts";
import { SessionError } from "../errors.ts";
import type { Session } from "../sessions/schema.ts";
import { createKratosRouter, type KratosOptions } from "./routes.ts";

describe("a path", () => {
  test.each(["/", "/v2/sessions/search", "/sessionsx", "/admin", "/identities", "/identities/ann"])(
    "%s is none of Kratos's",
    (path) => {
      expect(createKratosRouter(givenOptions())("GET", path)).toBeUndefined();
    },
  );

  test.each([
    ["PATCH", "/sessions/a/extend"],
    ["GET", "/sessions/a/b"],
    ["GET", "/admin/"],
    ["GET", "/admin/sessions/a/b"],
    ["GET", "/admin/identities/a"],
  ])("%s %s is not found", async (method, path) => {
    const { status, json } = await send(method, path);

    expect(status).toBe(404);
    expect(json).toEqual({
      error: { code: 404, status: "Not Found", message: "The requested resource could not be found" },
    });
  });

  test.each([
    ["PUT", "/sessions", "DELETE, GET, HEAD"],
    ["GET", "/sessions/0197f1d0-0000-7000-8000-000000000001", "DELETE"],
    ["PATCH", "/admin/sessions", "DELETE, GET, HEAD, POST"],
    ["PATCH", "/admin/sessions/whoami", "DELETE, GET, HEAD"],
    ["GET", "/admin/sessions/a/extend", "PATCH"],
    ["POST", "/admin/identities/a/sessions", "DELETE, GET, HEAD"],
  ])("%s %s is not allowed", async (method, path, allow) => {
    const { status, header, json } = await send(method, path);

    expect(status).toBe(405);
    expect(header.get("allow")).toBe(allow);
    expect(json).toMatchObject({ error: { code: 405, status: "Method Not Allowed" } });
  });

  test.each([
    ["DELETE", "/admin/sessions?a=b", "/sessions?a=b"],
    ["GET", "/admin/sessions/whoami", "/sessions/whoami"],
    ["DELETE", "/identities/a%20b/sessions", "/admin/identities/a%20b/sessions"],
  ])("%s %s is somewhere else", async (method, path, location) => {
    const { status, header, body } = await send(method, path);

    expect(status).toBe(307);
    expect(header.get("location")).toBe(location);
    expect(body).toBe("");
  });
});

describe("whoami", () => {
  test.each(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])("answers %s", async (method) => {
    const { status, header, json } = await send(method, "/sessions/whoami");

    expect(status).toBe(200);
    expect(header.get("x-kratos-authenticated-identity-id")).toBe("ann");
    expect(header.get("content-type")).toBe("application/json; charset=utf-8");
    expect(header.get("vary")).toBe("Cookie");
    expect(json).toMatchObject({
      id: givenSession().id,
      identity: { id: "ann", schema_url: "http://localhost/schemas/ZGVmYXVsdA" },
    });
  });

  test("answers HEAD with the headers of GET and no body", async () => {
    const [get, head] = [await send("GET", "/sessions/whoami"), await send("HEAD", "/sessions/whoami")];

    expect(head.status).toBe(200);
    expect(Object.fromEntries(head.header)).toEqual(Object.fromEntries(get.header));
    expect(head.body).toBe("");
  });

  test("is not to be cached", async () => {
    const { header } = await send("GET", "/sessions/whoami");

    expect(header.get("cache-control")).toBe("private, no-cache, no-store, must-revalidate");
  });

  test("makes no tokens", async () => {
    const { status, json } = await send("GET", "/sessions/whoami?tokenize_as=jwt");

    expect(status).toBe(400);
    expect(json).toMatchObject({ error: { reason: 'Unable to find tokenizer template "jwt".' } });
  });

  test("ignores an empty template", async () => {
    expect((await send("GET", "/sessions/whoami?tokenize_as=")).status).toBe(200);
  });

  test("names an identity that no header can hold", async () => {
    const { header } = await send("GET", "/sessions/whoami", { session: { userId: "änn\n" } });

    expect(header.get("x-kratos-authenticated-identity-id")).toBe("%C3%A4nn%0A");
  });
});

describe("without a session", () => {
  test.each([
    ["GET", "/sessions/whoami", "No valid session credentials found in the request."],
    ["GET", "/sessions", "No valid session cookie found."],
    ["DELETE", "/sessions", "No valid session cookie found."],
    ["DELETE", "/sessions/%00", "No valid session cookie found."],
  ])("%s %s is refused in its own words", async (method, path, reason) => {
    const { status, header, json } = await send(method, path, { error: new SessionError("session_missing", "x") });

    expect(status).toBe(401);
    expect(header.get("ory-error-id")).toBe("");
    expect(json).toEqual({
      error: { code: 401, status: "Unauthorized", reason, message: "The request could not be authorized" },
    });
  });

  test("that has a user, nobody is signed in", async () => {
    const session = { userId: null, userCheckedAt: null, organizationId: null };

    expect((await send("GET", "/sessions/whoami", { session })).status).toBe(401);
  });

  test("because the database is down, nobody is signed out", async () => {
    const error = Object.assign(new Error("lost"), { code: "CONNECTION_CLOSED" });
    const answers = await Promise.all(
      ["/sessions/whoami", "/sessions", "/admin/sessions"].map((path) => send("GET", path, { error })),
    );

    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503]);
  });
});

describe("a session that only names a user", () => {
  test.each([
    ["GET", "/sessions/whoami"],
    ["GET", "/sessions"],
    ["DELETE", "/sessions"],
    ["DELETE", "/sessions/a"],
  ])("is too little for %s %s", async (method, path) => {
    const { status, json } = await send(method, path, { session: { passwordCheckedAt: null } });

    expect(status).toBe(403);
    expect(json).toMatchObject({ error: { id: "session_aal2_required" } });
  });
});

describe("ending one session", () => {
  test("never ends the one in use", async () => {
    const { status, json } = await send("DELETE", `/sessions/${givenSession().id}`);

    expect(status).toBe(400);
    expect(json).toEqual({ error: { code: 400, status: "Bad Request", message: "cannot revoke current session" } });
  });

  test.each(["/sessions/", "/sessions/%00", `/sessions/${"a".repeat(201)}`])("%s is refused", async (path) => {
    expect((await send("DELETE", path)).status).toBe(400);
  });
});

describe("the routes under /admin", () => {
  test.each([
    ["GET", "/admin/sessions"],
    ["POST", "/admin/sessions"],
    ["GET", "/admin/sessions/%00"],
    ["DELETE", "/admin/sessions/%00"],
    ["PATCH", "/admin/sessions/%00/extend"],
    ["GET", "/admin/identities/%00/sessions"],
    ["DELETE", "/admin/identities/%00/sessions"],
  ])("%s %s ask who it is before anything else", async (method, path) => {
    const { status, header } = await send(method, path, { error: new SessionError("token_missing", "x") });

    expect(status).toBe(401);
    expect(header.has("vary")).toBe(false);
  });

  test.each([
    ["GET", "/admin/sessions?page_size=ten"],
    ["GET", "/admin/sessions?active=maybe"],
    ["GET", "/admin/sessions?expand=invalid"],
    ["POST", "/admin/sessions"],
    ["GET", "/admin/sessions/%00"],
    ["GET", "/admin/sessions/a?expand=invalid"],
    ["DELETE", "/admin/sessions/%00"],
    ["PATCH", "/admin/sessions/%00/extend"],
    ["GET", "/admin/identities/%00/sessions"],
    ["GET", "/admin/identities//sessions"],
    ["GET", "/admin/identities/a/sessions?active=maybe"],
    ["DELETE", "/admin/identities/%00/sessions"],
  ])("%s %s is refused", async (method, path) => {
    expect((await send(method, path)).status).toBe(400);
  });

  test("read no body that is too large", async () => {
    const { status } = await send("POST", "/admin/sessions", { body: Buffer.alloc(1_048_577) });

    expect(status).toBe(413);
  });
});

test("a request that is over is answered, though what it waits for never ends", async () => {
  const { status } = await send("GET", "/sessions", {
    signal: AbortSignal.timeout(10),
    holder: new Promise(() => undefined),
  });

  expect(status).toBe(499);
});

interface Given {
  session?: Partial<Session>;
  error?: Error;
  holder?: Promise<never>;
  body?: Buffer;
  signal?: AbortSignal;
}

/** Sends a request to routes that have no database: it is answered before they would ask one. */
async function send(method: string, path: string, given: Given = {}) {
  const url = new URL(path, "http://localhost");
  const handler = createKratosRouter(givenOptions(given))(method, url.pathname);
  if (handler === undefined) throw new Error("none of Kratos's");
  const response = await handler({
    httpVersion: "1.1",
    method,
    url: url.href,
    header: new Headers(),
    body: createAsyncIterable([given.body ?? Buffer.alloc(0)]),
    signal: given.signal ?? new AbortController().signal,
  });
  const bytes = await readAllBytes(response.body ?? createAsyncIterable([]), Number.MAX_SAFE_INTEGER);
  const body = Buffer.from(bytes).toString();
  return {
    status: response.status,
    header: new Headers(response.header),
    body,
    json: body === "" ? undefined : JSON.parse(body),
  };
}

function givenOptions({ session, error, holder }: Given = {}): KratosOptions {
  return {
    // Safe: no test gets as far as a query.
    directory: { database: { during: () => undefined }, now: () => at("12:00:00") } as unknown as Directory,
    async authenticate() {
      if (error) throw error;
      return { instanceId: "default", userId: "ann", agentId: undefined, grants: [] };
    },
    async authenticateHolder() {
      if (error) throw error;
      if (holder) await holder;
      return { session: givenSession({ passwordCheckedAt: at("10:00:00"), ...session }), user: givenUser() };
    },
    requiredAal: "aal1",
    lifespanMs: 86_400_000,
  };
}
