import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, test } from "vitest";
import type { NewSession } from "../../src/sessions/schema.ts";
import { createGiven, hour, minute, now, second } from "../support/given.ts";
import { idsOf, linksOf, startKratosServer } from "../support/kratos.ts";

const server = await startKratosServer();
afterAll(() => server.close());
const { ask, signIn, given } = server;

describe("GET /sessions, which sessions are listed", () => {
  test.each<[string, Partial<NewSession>, boolean]>([
    ["one without an end", {}, true],
    ["one that expires in a microsecond", { expiresAt: now + 1n }, true],
    ["one that expires now", { expiresAt: now }, false],
    ["one that has expired", { expiresAt: now - minute }, false],
    ["one that was ended", { endedAt: now - minute }, false],
    ["one that was ended, however late it expires", { endedAt: now - minute, expiresAt: now + hour }, false],
    ["one with no factor but the user", { passwordCheckedAt: null }, true],
    ["one whose id is no UUID", { id: "from elsewhere/1" }, true],
    ["one without a checked user, though they created it", { userId: null }, false],
  ])("%s", async (_name, row, isListed) => {
    const ann = await signIn();
    const other = await given.session({ userId: ann.user.id, creatorId: ann.user.id, ...row });

    const listed = await ask("GET", "/sessions", ann);

    expect(listed.status).toBe(200);
    expect(idsOf(listed)).toEqual(isListed ? [other.id] : []);
    expect(listed.headers.get("x-total-count")).toBe(isListed ? "1" : "0");
  });

  test("never the current one: somebody with one session has no other", async () => {
    const listed = await ask("GET", "/sessions", await signIn());

    expect({ text: listed.text, total: listed.headers.get("x-total-count") }).toEqual({ text: "[]\n", total: "0" });
    expect(Object.keys(linksOf(listed))).toEqual(["first"]);
  });

  test("none of another user, nor of another instance, whatever they share", async () => {
    const ann = await signIn({}, { agentFingerprintId: "firefox" });
    const shared = { agentFingerprintId: "firefox", creatorId: ann.user.id, organizationId: "org-1" };
    const bob = await given.user();
    await given.session({ ...shared, userId: bob.id, userCheckedAt: now });
    await createGiven(server.database, randomUUID()).session({ ...shared, userId: ann.user.id });

    const listed = await ask("GET", "/sessions", ann);

    expect([listed.json, listed.headers.get("x-total-count")]).toEqual([[], "0"]);
  });

  test("the newest first, of those created together the one with the higher id", async () => {
    const ann = await signIn();
    const prefix = randomUUID();
    for (const [name, createdAt] of [
      ["b", now - minute],
      ["old", now - minute - 1n],
      ["c", now - minute],
      ["new", now - minute + 1n],
      ["a", now - minute],
    ] as const) {
      await given.session({ id: `${prefix}-${name}`, userId: ann.user.id, createdAt });
    }

    const listed = idsOf(await ask("GET", "/sessions", ann));

    expect(listed.map((id) => id.slice(prefix.length + 1))).toEqual(["new", "c", "b", "a", "old"]);
  });
});

describe("GET /sessions, what is shown of a session", () => {
  test("every key in Kratos's order, and nothing else", async () => {
    const ann = await signIn({ traits: { email: "ann@example.com" }, metadataPublic: { plan: "gold" } });
    const { id } = await given.session({
      userId: ann.user.id,
      createdAt: now - hour,
      passwordCheckedAt: now - hour,
      totpCheckedAt: now - 59n * minute,
      expiresAt: now + 44n * minute + 876_544n,
      agentIp: "1.2.3.4",
    });

    const { json, text } = await ask("GET", "/sessions", ann);

    expect(json).toEqual([
      {
        id,
        active: true,
        expires_at: "2026-03-01T12:44:01Z",
        authenticated_at: "2026-03-01T11:01:00.123456Z",
        authenticator_assurance_level: "aal2",
        authentication_methods: [
          { method: "password", aal: "aal1", completed_at: "2026-03-01T11:00:00.123456Z" },
          { method: "totp", aal: "aal2", completed_at: "2026-03-01T11:01:00.123456Z" },
        ],
        issued_at: "2026-03-01T11:00:00.123456Z",
        identity: {
          id: ann.user.id,
          schema_id: "default",
          schema_url: "",
          state: "active",
          traits: { email: "ann@example.com" },
          metadata_public: { plan: "gold" },
          created_at: expect.any(String),
          updated_at: expect.any(String),
          organization_id: "org-1",
        },
        devices: [
          { id: expect.stringMatching(/^[0-9a-f-]{36}$/), ip_address: "1.2.3.4", user_agent: null, location: null },
        ],
      },
    ]);
    expect([...text.matchAll(/"(\w+)":/g)].map(([, key]) => key).slice(0, 7)).toEqual([
      "id",
      "active",
      "expires_at",
      "authenticated_at",
      "authenticator_assurance_level",
      "authentication_methods",
      "method",
    ]);
  });

  test("traits are made of the names of a user without any", async () => {
    const ann = await signIn({ userName: "ann", loginName: "ann@example.com", displayName: "Ann" });
    await given.session({ userId: ann.user.id, createdAt: now - second });

    const { json } = await ask("GET", "/sessions", ann);

    expect(json[0].identity.traits).toEqual({ email: "ann@example.com", username: "ann", name: "Ann" });
    expect(json[0].devices).toBeNull();
  });

  test("texts cannot break out of HTML", async () => {
    const ann = await signIn({ traits: { name: "</script>&\u2028" } });
    await given.session({ userId: ann.user.id });

    const { text, json } = await ask("GET", "/sessions", ann);

    expect(text).toContain('"\\u003c/script\\u003e\\u0026\\u2028"');
    expect(text).not.toMatch(/[<>&\u2028]/);
    expect(text.endsWith("]\n")).toBe(true);
    expect(json[0].identity.traits.name).toBe("</script>&\u2028");
  });
});
