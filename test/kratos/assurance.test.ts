import { afterAll, describe, expect, test } from "vitest";
import type { RequiredAal } from "../../src/kratos/assurance.ts";
import type { NewSession, User } from "../../src/sessions/schema.ts";
import { now } from "../support/given.ts";
import { startKratosServer } from "../support/kratos.ts";

const servers = {
  aal1: await startKratosServer({ requiredAal: "aal1" }),
  highest_available: await startKratosServer({ requiredAal: "highest_available" }),
};
afterAll(async () => {
  for (const server of Object.values(servers)) await server.close();
});

const nothing = { passwordCheckedAt: null };
const password = {};
const both = { totpCheckedAt: now };
const totpAlone = { passwordCheckedAt: null, totpCheckedAt: now };
const passkey = { passwordCheckedAt: null, webAuthNCheckedAt: now, webAuthNUserVerified: true };
const provider = { passwordCheckedAt: null, intentCheckedAt: now };
const recovery = { recoveryCodeCheckedAt: now };

type Row = [string, Partial<NewSession>, User["availableAal"], RequiredAal, number];

const table: Row[] = [
  ["aal0 for aal1", nothing, null, "aal1", 403],
  ["aal0 for the highest", nothing, null, "highest_available", 403],
  ["aal1 for aal1, who could reach aal1", password, "aal1", "aal1", 200],
  ["aal1 for aal1, who could reach aal2", password, "aal2", "aal1", 200],
  ["aal2 for aal1", both, "aal2", "aal1", 200],
  ["aal1 for the highest, who could reach aal1", password, "aal1", "highest_available", 200],
  ["aal1 for the highest, of whom nothing is known", password, null, "highest_available", 200],
  ["aal1 for the highest, who could reach aal2", password, "aal2", "highest_available", 403],
  ["aal2 for the highest, who could reach aal2", both, "aal2", "highest_available", 200],
  ["aal2 for the highest, who could reach aal1", both, "aal1", "highest_available", 200],
  ["a recovery code is a second factor", recovery, "aal2", "highest_available", 200],
  ["a second factor alone is one factor", totpAlone, "aal2", "highest_available", 403],
  ["a second factor alone is enough for aal1", totpAlone, "aal2", "aal1", 200],
  ["a passkey alone is one factor", passkey, "aal2", "highest_available", 403],
  ["an identity provider alone is one factor", provider, "aal2", "highest_available", 403],
];

describe.each(["/sessions/whoami", "/sessions"])("GET %s", (path) => {
  test.each(table)("%s", async (_rule, session, availableAal, required, expected) => {
    const { ask, signIn } = servers[required];

    const { status } = await ask("GET", path, await signIn({ availableAal }, session));

    expect(status).toBe(expected);
  });

  test("refuses too little in Kratos's words", async () => {
    const { url, ask, signIn } = servers.highest_available;
    const { headers: token } = await signIn({ availableAal: "aal2" });

    const { status, headers, text } = await ask("GET", path, { headers: { ...token, "x-request-id": "r-1" } });

    const redirect = `${url}/self-service/login/browser?aal=aal2`;
    expect({ status, id: headers.get("ory-error-id") }).toEqual({ status: 403, id: "session_aal2_required" });
    // Word by word, also in its order; here Kratos does not tell the request.
    expect(text).toBe(
      `${JSON.stringify({
        error: {
          id: "session_aal2_required",
          code: 403,
          status: "Forbidden",
          reason:
            "An active session was found but it does not fulfill the requested Authenticator Assurance Level. Please verify yourself with a second factor to resolve this issue.",
          details: { redirect_browser_to: redirect },
          message: "Session does not fulfill the requested Authenticator Assurance Level",
        },
        redirect_browser_to: redirect,
      })}\n`,
    );
  });
});

describe("ending sessions", () => {
  test.each(["/sessions", "/sessions/some-id"])("DELETE %s asks for no second factor", async (path) => {
    const { ask, signIn } = servers.highest_available;

    expect((await ask("DELETE", path, await signIn({ availableAal: "aal2" }))).status).toBeLessThan(300);
  });

  test.each(["/sessions", "/sessions/some-id"])("DELETE %s asks for one factor", async (path) => {
    const { ask, signIn } = servers.aal1;

    expect((await ask("DELETE", path, await signIn({}, nothing))).status).toBe(403);
  });
});
