import { describe, expect, test } from "vitest";
import { at, givenSession, givenUser } from "../../test/support/rows.ts";
import type { Session, User } from "../sessions/schema.ts";
import { printJson, printTime, toSessionJson, type View } from "./json.ts";

const listed: View = { now: at("12:00:00"), identity: true, devices: true, noDevices: null };
const bare: View = { ...listed, identity: false, devices: false };

describe("a session", () => {
  test("has every key, in Kratos's order", () => {
    const session = givenSession({
      createdAt: at("10:00:00.123456"),
      passwordCheckedAt: at("10:00:01.5"),
      totpCheckedAt: at("10:00:02"),
      agentIp: "192.0.2.7",
      agentHeader: { "user-agent": ["Browser/1.0"] },
      tokenHash: Buffer.from("secret"),
    });

    expect(JSON.stringify(toSessionJson({ session, user: givenUser() }, listed), null, 1)).toMatchInlineSnapshot(`
      "{
       "id": "0197f1d0-0000-7000-8000-000000000001",
       "active": true,
       "expires_at": "2026-03-01T20:00:00Z",
       "authenticated_at": "2026-03-01T10:00:02Z",
       "authenticator_assurance_level": "aal2",
       "authentication_methods": [
        {
         "method": "password",
         "aal": "aal1",
         "completed_at": "2026-03-01T10:00:01.5Z"
        },
        {
         "method": "totp",
         "aal": "aal2",
         "completed_at": "2026-03-01T10:00:02Z"
        }
       ],
       "issued_at": "2026-03-01T10:00:00.123456Z",
       "identity": {
        "id": "ann",
        "schema_id": "default",
        "schema_url": "",
        "state": "active",
        "traits": {
         "email": "ann@example.com",
         "username": "ann",
         "name": "Ann Example"
        },
        "metadata_public": null,
        "created_at": "2026-03-01T08:00:00Z",
        "updated_at": "2026-03-01T09:00:00.5Z",
        "organization_id": "org-1"
       },
       "devices": [
        {
         "id": "446e0fc4-e12f-566e-a6b9-2ccdf3fdf2e7",
         "ip_address": "192.0.2.7",
         "user_agent": "Browser/1.0",
         "location": null
        }
       ]
      }"
    `);
  });

  test("unexpanded has neither identity nor devices, but their keys", () => {
    const row = { session: givenSession({ agentIp: "192.0.2.7" }), user: givenUser() };

    expect(toSessionJson(row, bare)).toMatchObject({ identity: null, devices: null });
    expect(toSessionJson(row, { ...bare, noDevices: [] })).toMatchObject({ identity: null, devices: [] });
  });

  test.each<[string, Partial<Session>, Partial<User>, View, boolean]>([
    ["live", {}, {}, listed, true],
    ["without an end", { expiresAt: null }, {}, listed, true],
    ["expiring now", { expiresAt: listed.now }, {}, listed, false],
    ["expiring a microsecond later", { expiresAt: listed.now + 1n }, {}, listed, true],
    ["ended", { endedAt: at("11:00:00") }, {}, listed, false],
    ["of a disabled user", {}, { state: "inactive" }, listed, false],
    ["of a disabled user who is not shown", {}, { state: "inactive" }, bare, true],
  ])("%s", (_name, session, user, view, active) => {
    const row = { session: givenSession(session), user: givenUser(user) };

    expect(toSessionJson(row, view).active).toBe(active);
  });

  test("that never expires does so with the years of four digits", () => {
    const row = { session: givenSession({ expiresAt: null }), user: givenUser() };

    expect(toSessionJson(row, listed).expires_at).toBe("9999-12-31T23:59:59Z");
  });

  test("whose user was only named has no method", () => {
    expect(toSessionJson({ session: givenSession(), user: givenUser() }, listed)).toMatchObject({
      authenticator_assurance_level: "aal0",
      authentication_methods: [],
      authenticated_at: "2026-03-01T10:00:00Z",
    });
  });

  test.each([
    ["10:00:00", "10:00:00Z"],
    ["10:00:00.1", "10:00:00.1Z"],
    ["10:00:00.120000", "10:00:00.12Z"],
    ["10:00:10.000001", "10:00:10.000001Z"],
  ])("of %s says %s", (time, expected) => {
    expect(printTime(at(time))).toBe(`2026-03-01T${expected}`);
  });
});

describe("an identity", () => {
  const identityOf = (user: User | null, session = givenSession(), view = listed) =>
    toSessionJson({ session, user }, view).identity;

  test.each<[string, Partial<User>, Record<string, unknown>]>([
    ["all names", {}, { email: "ann@example.com", username: "ann", name: "Ann Example" }],
    ["no user name", { userName: "" }, { email: "ann@example.com", username: "ann@example.com", name: "Ann Example" }],
    ["a login name that is no address", { loginName: "ann" }, { username: "ann", name: "Ann Example" }],
    ["no names", { userName: "", loginName: "", displayName: "" }, {}],
    ["traits of its own", { traits: { favourite: { colour: "red" } } }, { favourite: { colour: "red" } }],
    ["no traits, by import", { traits: {} }, {}],
  ])("with %s", (_name, user, traits) => {
    expect(identityOf(givenUser(user))?.traits).toEqual(traits);
  });

  test("has the URL of its schema where a base is given", () => {
    const view = { ...listed, schemaBase: "https://id.example.com" };

    expect(identityOf(givenUser(), givenSession(), view)?.schema_url).toBe("https://id.example.com/schemas/ZGVmYXVsdA");
  });

  test("shows public metadata and the organization, null if there is none", () => {
    expect(identityOf(givenUser({ metadataPublic: { plan: "free" } }))?.metadata_public).toEqual({ plan: "free" });
    expect(identityOf(givenUser({ organizationId: "" }))).toMatchObject({
      organization_id: null,
      metadata_public: null,
    });
  });

  test("of an unknown user has an id and the organization of the session", () => {
    expect(identityOf(null)).toEqual({
      id: "ann",
      schema_id: "default",
      schema_url: "",
      state: "active",
      traits: {},
      metadata_public: null,
      created_at: "2026-03-01T10:00:00Z",
      updated_at: "2026-03-01T10:00:00Z",
      organization_id: "org-1",
    });
  });

  test("of nobody is null", () => {
    expect(identityOf(null, givenSession({ userId: null, organizationId: null, userCheckedAt: null }))).toBeNull();
  });
});

describe("the device", () => {
  const deviceOf = (session: Partial<Session>) =>
    toSessionJson({ session: givenSession(session), user: givenUser() }, listed).devices?.[0];

  test("is none of which nothing is known", () => {
    expect(deviceOf({ agentFingerprintId: "fingerprint" })).toBeUndefined();
  });

  test.each([
    ["192.0.2.7", "192.0.2.7"],
    ["192.0.2.7:54321", "192.0.2.7"],
    ["2001:db8::1", "2001:db8::1"],
    ["[2001:db8::1]:54321", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["::1:54321", "::1:54321"],
    [null, null],
  ])("at %s is shown as %s", (agentIp, expected) => {
    expect(deviceOf({ agentIp, agentDescription: "an app" })).toMatchObject({ ip_address: expected, location: null });
  });

  test.each<[string, Partial<Session>, string | null]>([
    ["its header", { agentHeader: { "user-agent": ["a"] }, agentDescription: "b" }, "a"],
    ["all values of its header", { agentHeader: { "User-Agent": ["a", "b"] } }, "a b"],
    ["its description, without the header", { agentHeader: { accept: ["*"] }, agentDescription: "b" }, "b"],
    ["its description, with an empty header", { agentHeader: { "user-agent": [] }, agentDescription: "b" }, "b"],
    ["nothing", { agentIp: "192.0.2.7" }, null],
  ])("is called by %s", (_name, session, expected) => {
    expect(deviceOf(session)?.user_agent).toBe(expected);
  });

  test("has a UUID that stays the same, and is the session's own", () => {
    const [one, same, other] = ["a", "a", "b"].map((id) => deviceOf({ id, agentIp: "192.0.2.7" })?.id);

    expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(same).toBe(one);
    expect(other).not.toBe(one);
  });
});

test("the body can stand in a page, and ends in a newline", () => {
  const text = "</script>&\u2028\u2029";

  expect(printJson({ text })).toBe('{"text":"\\u003c/script\\u003e\\u0026\\u2028\\u2029"}\n');
  expect(JSON.parse(printJson({ text }))).toEqual({ text });
});
