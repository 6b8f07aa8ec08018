import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { minute, now } from "../support/given.ts";
import { type SignedIn, startKratosServer } from "../support/kratos.ts";

const server = await startKratosServer();
afterAll(() => server.close());

let ann: SignedIn;
beforeAll(async () => {
  const user = {
    id: "ann",
    traits: { email: "ann@example.com" },
    schemaId: "people",
    metadataPublic: { plan: "gold" },
  };
  ann = await server.signIn(user, { agentIp: "1.2.3.4", agentHeader: { "user-agent": ["Firefox"] } });
});

describe("/sessions/whoami", () => {
  test.each(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])("answers %s", async (method) => {
    const { status, headers, json } = await server.ask(method, "/sessions/whoami", ann);

    expect({ status, id: json.id }).toEqual({ status: 200, id: ann.session.id });
    expect(headers.get("x-kratos-authenticated-identity-id")).toBe("ann");
    expect(headers.get("content-type")).toBe("application/json; charset=utf-8");
  });

  test("ends nothing by DELETE", async () => {
    await server.ask("DELETE", "/sessions/whoami", ann);

    expect((await server.ask("GET", "/sessions/whoami", ann)).status).toBe(200);
  });

  test("answers HEAD as GET, without the body", async () => {
    const get = await server.ask("GET", "/sessions/whoami", ann);
    const head = await server.ask("HEAD", "/sessions/whoami", ann);

    expect({ status: head.status, text: head.text }).toEqual({ status: 200, text: "" });
    expect(withoutDate(head.headers)).toEqual(withoutDate(get.headers));
  });

  test("tells the whole session, with identity and device", async () => {
    const { json } = await server.ask("GET", "/sessions/whoami", ann);

    expect(json).toEqual({
      id: ann.session.id,
      active: true,
      // Kratos has no session without an end.
      expires_at: "9999-12-31T23:59:59Z",
      authenticated_at: "2026-03-01T11:00:00.123456Z",
      authenticator_assurance_level: "aal1",
      authentication_methods: [{ method: "password", aal: "aal1", completed_at: "2026-03-01T11:00:00.123456Z" }],
      issued_at: "2026-03-01T11:00:00.123456Z",
      identity: {
        id: "ann",
        schema_id: "people",
        schema_url: `${server.url}/schemas/${Buffer.from("people").toString("base64url")}`,
        state: "active",
        traits: { email: "ann@example.com" },
        metadata_public: { plan: "gold" },
        created_at: expect.any(String),
        updated_at: expect.any(String),
        organization_id: "org-1",
      },
      devices: [{ id: expect.any(String), ip_address: "1.2.3.4", user_agent: "Firefox", location: null }],
    });
  });

  test("tells the same each time, and changes no row", async () => {
    const first = await server.ask("GET", "/sessions/whoami", ann);
    const second = await server.ask("GET", "/sessions/whoami", ann);

    expect(second.text).toBe(first.text);
  });

  test("knows a session of a user of whom nothing is known", async () => {
    const unknown = await server.signInAs({ ...ann.user, id: "nobody-knows" });

    const { status, json } = await server.ask("GET", "/sessions/whoami", unknown);

    expect({ status, identity: json.identity }).toMatchObject({
      status: 200,
      identity: { id: "nobody-knows", state: "active", traits: {} },
    });
  });

  test.each([
    ["an ended session", { endedAt: now - minute }],
    ["an expired session", { expiresAt: now - minute }],
  ])("refuses %s", async (_name, row) => {
    expect((await server.ask("GET", "/sessions/whoami", await server.signIn({}, row))).status).toBe(401);
  });
});

describe("tokenize_as", () => {
  test("is refused, since there is no template", async () => {
    const { status, json } = await server.ask("GET", "/sessions/whoami?tokenize_as=my%3Cjwt%3E", ann);

    expect({ status, json }).toEqual({
      status: 400,
      json: {
        error: {
          code: 400,
          status: "Bad Request",
          reason: 'Unable to find tokenizer template "my<jwt>".',
          message: "The request was malformed or contained invalid parameters",
        },
      },
    });
  });

  test("tells nothing to whom is not signed in", async () => {
    expect((await server.ask("GET", "/sessions/whoami?tokenize_as=jwt")).status).toBe(401);
  });

  test("without a template is nothing", async () => {
    expect((await server.ask("GET", "/sessions/whoami?tokenize_as=", ann)).status).toBe(200);
  });
});

function withoutDate(headers: Headers): Record<string, string> {
  const { date: _date, ...rest } = Object.fromEntries(headers);
  return rest;
}

test("with a public URL the schema is there, wherever the request came to", async () => {
  const behindProxy = await startKratosServer({ publicUrl: "https://id.example.com/" });
  const { headers } = await behindProxy.signIn();

  const { json } = await behindProxy.ask("GET", "/sessions/whoami", { headers });

  expect(json.identity.schema_url).toMatch(/^https:\/\/id\.example\.com\/schemas\//);
  await behindProxy.close();
});
