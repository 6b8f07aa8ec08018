import { afterAll, describe, expect, test } from "vitest";
import { startKratosServer } from "../support/kratos.ts";

const origin = "https://account.example.com";
const server = await startKratosServer({ corsOrigins: [origin] });
afterAll(() => server.close());

describe("a page of an allowed origin", () => {
  test.each(["/sessions", "/sessions/whoami", "/sessions/an-id", "/admin/sessions"])(
    "may ask %s with a session token or a bearer",
    async (path) => {
      const { status, headers } = await preflight(path, origin);

      expect(status).toBe(204);
      expect(headers.get("access-control-allow-origin")).toBe(origin);
      expect(words(headers, "access-control-allow-headers")).toEqual(
        expect.arrayContaining(["x-session-token", "authorization", "content-type"]),
      );
      expect(words(headers, "access-control-allow-methods")).toEqual(
        expect.arrayContaining(["get", "delete", "patch", "post"]),
      );
    },
  );

  test("may read the links and the total", async () => {
    const { headers: token } = await server.signIn();

    const { status, headers } = await server.ask("GET", "/sessions", { headers: { ...token, origin } });

    expect(status).toBe(200);
    expect(words(headers, "access-control-expose-headers")).toEqual(expect.arrayContaining(["link", "x-total-count"]));
    expect(words(headers, "vary").toSorted()).toEqual(["cookie", "origin"]);
  });

  test("may read why it is refused", async () => {
    const { status, headers } = await server.ask("GET", "/sessions", { headers: { origin } });

    expect({ status, allowed: headers.get("access-control-allow-origin") }).toEqual({ status: 401, allowed: origin });
  });

  test("may send the session cookie, if it is named", async () => {
    const any = await startKratosServer({ corsOrigins: ["*"] });
    const answers = [
      await server.ask("GET", "/sessions", { headers: { origin } }),
      await preflight("/sessions", origin),
    ];
    const anyAnswer = await any.ask("GET", "/sessions", { headers: { origin } });
    await any.close();

    for (const { headers } of answers) expect(headers.get("access-control-allow-credentials")).toBe("true");
    expect(anyAnswer.headers.get("access-control-allow-origin")).toBe(origin);
    expect(anyAnswer.headers.has("access-control-allow-credentials")).toBe(false);
  });
});

test("a page of another origin may do nothing", async () => {
  const asked = await preflight("/sessions", "https://evil.example.com");
  const answered = await server.ask("GET", "/sessions", { headers: { origin: "https://evil.example.com" } });

  const names = [...asked.headers.keys(), ...answered.headers.keys()];
  expect(names.filter((name) => name.startsWith("access-control-"))).toEqual([]);
});

async function preflight(path: string, from: string) {
  const asked = { "access-control-request-method": "GET", "access-control-request-headers": "x-session-token" };
  return await server.ask("OPTIONS", path, { headers: { origin: from, ...asked } });
}

function words(headers: Headers, name: string): string[] {
  return (headers.get(name) ?? "").toLowerCase().split(/, ?/);
}
