import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { hashToken } from "../src/auth/token.ts";
import type { Database } from "../src/database.ts";
import { runKratosImport } from "../src/import/kratos.ts";
import { ImportError } from "../src/import/store.ts";
import { aalOf, methodsOf } from "../src/kratos/assurance.ts";
import { type Session, sessions, type User, users } from "../src/sessions/schema.ts";
import { openTestDatabase } from "./support/database.ts";
import { capture } from "./support/imports.ts";
import { createKratosDatabase, type GivenKratosSession, type KratosDatabase } from "./support/kratos-database.ts";
import { startTestServer, type TestServer } from "./support/server.ts";

const at = "2026-01-02T03:04:05.123456Z";
const later = "2026-01-02T04:04:05.5Z";

let database: Database;
let kratos: KratosDatabase;
let instanceId: string;

beforeAll(() => {
  database = openTestDatabase();
});

afterAll(() => database.close());

beforeEach(async () => {
  kratos = await createKratosDatabase();
  instanceId = randomUUID();
});

afterEach(() => kratos.drop());

describe("an identity", () => {
  test("becomes a user, with all that is known of them", async () => {
    const organization = randomUUID();
    const traits = { email: "ann@example.com", username: "ann", name: { first: "Ann", last: "Lee" }, n: [1, null] };
    const id = await kratos.identity({
      traits,
      state: "inactive",
      schema_id: "customer",
      metadata_public: { plan: "gold" },
      metadata_admin: { secret: "stays" },
      available_aal: "aal2",
      organization_id: organization,
      created_at: "2020-01-02T03:04:05.000001",
      updated_at: "2021-01-02T03:04:05.1",
    });

    const { stdout } = await run();

    expect(stdout).toBe("imported 1 users, 0 sessions; unchanged 0; refused 0\n");
    expect((await findUsers())[0]).toEqual({
      instanceId,
      id,
      organizationId: organization,
      userName: "ann",
      loginName: "ann@example.com",
      displayName: "Ann Lee",
      avatarUrl: "",
      state: "inactive",
      traits,
      schemaId: "customer",
      metadataPublic: { plan: "gold" },
      availableAal: "aal2",
      createdAt: 1_577_934_245_000_001n,
      changedAt: 1_609_556_645_100_000n,
    });
  });

  test.each([
    [
      { email: "a@b.example", username: "ann" },
      { loginName: "a@b.example", userName: "ann" },
    ],
    [{ username: "ann" }, { loginName: "ann", userName: "ann" }],
    [{ phone: "+49123" }, { loginName: "+49123", userName: "+49123" }],
    [{ email: 1, username: " ", phone_number: "+49" }, { loginName: "+49" }],
    [{ name: "Ann Lee" }, { displayName: "Ann Lee" }],
    [{ name: { last: "Lee" } }, { displayName: "Lee" }],
    [{ name: { first: 1, last: null } }, { displayName: "" }],
    [{ name: ["Ann"] }, { displayName: "" }],
  ])("with the traits %j is called %j", async (traits, names) => {
    await kratos.identity({ traits });

    await run();

    expect((await findUsers())[0]).toMatchObject(names);
  });

  test("without any name is called by the id, and has no organization", async () => {
    const id = await kratos.identity({ available_aal: "aal0" });

    await run();

    const plain = { organizationId: "", state: "active", metadataPublic: null, availableAal: null };
    expect((await findUsers())[0]).toMatchObject({ loginName: id, userName: id, displayName: "", ...plain });
  });

  test.each([
    ["a list as traits", { traits: [] }, "traits must be an object"],
    ["a text as metadata", { metadata_public: "x" }, "metadata_public must be an object"],
    ["another state", { state: "locked" }, "state must be active or inactive"],
    ["a date without end", { created_at: "infinity" }, "created_at must be a date between the years 1 and 9999"],
  ])("with %s is refused by its id, and stops nothing", async (_name, identity, reason) => {
    const id = await kratos.identity(identity);
    await kratos.identity();

    const { stdout, stderr } = await run();

    expect(stdout).toBe("imported 1 users, 0 sessions; unchanged 0; refused 1\n");
    expect(stderr).toBe(`identity ${id}: ${reason}\n`);
  });

  test("of an older Kratos has no organization, nor a level they could reach", async () => {
    await kratos.client`alter table identities drop column organization_id, drop column available_aal`;
    const identity_id = await kratos.identity();
    await kratos.session({ identity_id });

    expect((await run()).stdout).toBe("imported 1 users, 1 sessions; unchanged 0; refused 0\n");
    expect((await findUsers())[0]).toMatchObject({ organizationId: "", availableAal: null });
  });
});

describe("a session", () => {
  test("keeps its times to the microsecond, its token as a hash, and its device", async () => {
    const identity_id = await kratos.identity();
    const given = await kratos.session({
      identity_id,
      created_at: "2026-01-02T03:04:05.000001",
      updated_at: "2026-01-02T03:04:06.1",
      expires_at: "2026-01-03T03:04:05.999999",
      device: { ip_address: "[2001:DB8::1]:54321", user_agent: "Firefox" },
    });

    const { stdout, stderr } = await run();

    expect([stdout, stderr]).toEqual(["imported 1 users, 1 sessions; unchanged 0; refused 0\n", ""]);
    const created = 1_767_323_045_000_001n;
    expect(await findSession()).toEqual({
      instanceId,
      id: given.id,
      createdAt: created,
      changedAt: created + 1_099_999n,
      sequence: expect.any(BigInt),
      creatorId: null,
      userId: identity_id,
      organizationId: "",
      userCheckedAt: created + 123_455n,
      passwordCheckedAt: created + 123_455n,
      webAuthNCheckedAt: null,
      webAuthNUserVerified: null,
      intentCheckedAt: null,
      totpCheckedAt: null,
      otpSmsCheckedAt: null,
      otpEmailCheckedAt: null,
      recoveryCodeCheckedAt: null,
      metadata: {},
      agentFingerprintId: null,
      agentIp: "2001:db8::1",
      agentDescription: null,
      agentHeader: { "user-agent": ["Firefox"] },
      expiresAt: 1_767_409_445_999_999n,
      tokenHash: hashToken(given.token ?? ""),
      endedAt: null,
      endReason: null,
      endedBy: null,
    });
  });

  test.each([
    ["192.0.2.7:54321", "192.0.2.7"],
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["[::1]:1", "::1"],
    ["", null],
    ["unknown", null],
    ["192.0.2.7, 10.0.0.1", null],
    ["fe80::1%eth0", null],
  ])("has of the address %j the IP %j", async (ip_address, agentIp) => {
    const device = { ip_address, user_agent: "" };
    await kratos.session({ identity_id: await kratos.identity(), device });

    await run();

    expect(await findSession()).toMatchObject({ agentIp, agentHeader: null });
  });

  test("has the first of several devices", async () => {
    const device = { ip_address: "192.0.2.1", user_agent: "first" };
    const { id, nid } = await kratos.session({ identity_id: await kratos.identity(), device });
    await kratos.client`
      insert into session_devices (id, nid, session_id, ip_address, created_at, updated_at)
      values (${randomUUID()}, ${nid}, ${id}, '192.0.2.2', now(), now())`;

    expect((await run()).summary).toMatchObject({ sessions: 1, refused: 0 });
    expect(await findSession()).toMatchObject({ agentIp: "192.0.2.1" });
  });

  test.each([false, null])("that is not active (%s) is ended, when it was changed last", async (active) => {
    const identity_id = await kratos.identity();
    await kratos.session({ identity_id, active, updated_at: "2026-02-01T00:00:00" });

    await run();

    const endedAt = 1_769_904_000_000_000n;
    expect(await findSession()).toMatchObject({ endedAt, changedAt: endedAt, endReason: "revoked", endedBy: null });
  });

  test("changed before it was created was changed then", async () => {
    await kratos.session({ identity_id: await kratos.identity(), active: false, updated_at: "2020-01-01T00:00:00" });

    await run();

    const { createdAt, changedAt, endedAt } = await findSession();
    expect([changedAt, endedAt]).toEqual([createdAt, createdAt]);
  });

  test("without a token is stored without one", async () => {
    await kratos.session({ identity_id: await kratos.identity(), token: null });

    await run();

    expect((await findSession()).tokenHash).toBeNull();
  });

  test("that ends never is refused by its id", async () => {
    const { id } = await kratos.session({ identity_id: await kratos.identity(), expires_at: "infinity" });

    const { stdout, stderr } = await run();

    expect(stdout).toBe("imported 1 users, 0 sessions; unchanged 0; refused 1\n");
    expect(stderr).toBe(`session ${id}: expires_at must be a date between the years 1 and 9999\n`);
  });

  test("whose token another one has already is refused by its id, and the token not repeated", async () => {
    const identity_id = await kratos.identity();
    const { token } = await kratos.session({ identity_id });
    await run();
    await kratos.client`update sessions set token = null`;
    const { id } = await kratos.session({ identity_id, token });

    const { stdout, stderr } = await run();

    expect(stdout).toBe("imported 0 users, 0 sessions; unchanged 2; refused 1\n");
    expect(stderr).toBe(`session ${id}: token is that of another session\n`);
  });
});

describe("the ways of signing in", () => {
  const one = (method: string, aal = "aal1", completed_at = at) => ({ method, aal, completed_at });

  test.each<[string, string, GivenKratosSession["authentication_methods"], string, string[]]>([
    ["password", "aal1", [one("password")], "aal1", ["password"]],
    ["oidc", "aal1", [one("oidc")], "aal1", ["oidc"]],
    ["saml", "aal1", [one("saml")], "aal1", ["oidc"]],
    ["passkey", "aal1", [one("passkey")], "aal1", ["passkey"]],
    ["webauthn alone", "aal1", [one("webauthn")], "aal1", ["passkey"]],
    ["code alone", "aal1", [one("code")], "aal1", ["code"]],
    ["a recovery by link", "aal1", [one("link_recovery")], "aal1", ["lookup_secret"]],
    ["a recovery by code", "aal1", [one("code_recovery")], "aal1", ["lookup_secret"]],
    ["password, totp", "aal2", [one("password"), one("totp", "aal2")], "aal2", ["password", "totp"]],
    ["password, webauthn", "aal2", [one("password"), one("webauthn", "aal2")], "aal2", ["password", "webauthn"]],
    ["oidc, lookup", "aal2", [one("oidc"), one("lookup_secret", "aal2")], "aal2", ["oidc", "lookup_secret"]],
    ["password, code", "aal2", [one("password"), one("code", "aal2")], "aal2", ["password", "code"]],
    ["password, code as one", "aal1", [one("password"), one("code")], "aal1", ["password"]],
    ["recovered, then password", "aal1", [one("code_recovery"), one("password")], "aal1", ["password"]],
    ["profile alone", "aal1", [one("profile")], "aal1", ["password"]],
    ["a legacy one", "aal1", [one("v0.6_legacy_session")], "aal1", ["password"]],
    ["an unknown one beside totp", "aal2", [one("deviceauthn"), one("totp", "aal2")], "aal2", ["password", "totp"]],
    ["a code, then totp", "aal2", [one("code"), one("totp", "aal2")], "aal2", ["password", "code", "totp"]],
    [
      "a recovery, then totp",
      "aal2",
      [one("link_recovery"), one("totp", "aal2")],
      "aal2",
      ["password", "lookup_secret", "totp"],
    ],
    ["a passkey, then a key", "aal2", [one("passkey"), one("webauthn", "aal2")], "aal2", ["password", "webauthn"]],
    ["profile beside oidc", "aal1", [one("oidc"), one("profile")], "aal1", ["oidc"]],
    ["none", "aal0", [], "aal0", []],
    ["null", "aal0", null, "aal0", []],
  ])("%s (%s) become the factors of the same level", async (_name, aal, authentication_methods, level, expected) => {
    await kratos.session({ identity_id: await kratos.identity(), aal, authentication_methods });

    await run();

    const methods = methodsOf(await findSession());
    expect(methods.map(({ method }) => method).sort()).toEqual(expected.sort());
    expect(aalOf(methods)).toBe(level);
  });

  test("count when they were completed last, and the user from the first of them", async () => {
    const authentication_methods = [
      one("totp", "aal2", later),
      one("password", "aal1", later),
      one("password"),
      one("totp"),
    ];
    await kratos.session({ identity_id: await kratos.identity(), aal: "aal2", authentication_methods });

    await run();

    const { userCheckedAt, passwordCheckedAt, totpCheckedAt } = await findSession();
    expect([userCheckedAt, passwordCheckedAt, totpCheckedAt]).toEqual(Array(3).fill(1_767_326_645_500_000n));
  });

  test.each([
    ["2026-01-02T03:04:05.123456789Z", 1_767_323_045_123_456n],
    ["2026-01-02T05:04:05+02:00", 1_767_323_045_000_000n],
    ["0001-01-01T00:00:00Z", 1_767_330_000_000_000n],
    ["soon", 1_767_330_000_000_000n],
    [undefined, 1_767_330_000_000_000n],
  ])("with the time %s count from then, or from the last sign-in", async (completed_at, expected) => {
    const authentication_methods = [{ method: "password", aal: "aal1", ...(completed_at ? { completed_at } : {}) }];
    const authenticated_at = "2026-01-02T05:00:00";
    await kratos.session({ identity_id: await kratos.identity(), authentication_methods, authenticated_at });

    await run();

    expect((await findSession()).passwordCheckedAt).toBe(expected);
  });
});

describe("a second pass", () => {
  test("changes nothing if nothing is other, and what is other else", async () => {
    const identity_id = await kratos.identity();
    const [first, revoked] = await kratos.sessions([{ identity_id }, { identity_id }]);
    await run();
    const before = await findSessions();

    expect((await run()).stdout).toBe("imported 0 users, 0 sessions; unchanged 3; refused 0\n");
    expect(await findSessions()).toEqual(before);

    await kratos.client`update sessions set active = false, updated_at = now() where id = ${revoked?.id ?? ""}`;
    await kratos.client`update identities set state = 'inactive', updated_at = now()`;
    await kratos.session({ identity_id });
    expect((await run()).stdout).toBe("imported 1 users, 2 sessions; unchanged 1; refused 0\n");
    const after = new Map((await findSessions()).map((session) => [session.id, session]));
    expect(after.get(first?.id ?? "")).toEqual(before.find(({ id }) => id === first?.id));
    expect(after.get(revoked?.id ?? "")?.endReason).toBe("revoked");
    expect((await findUsers())[0]?.state).toBe("inactive");
  });

  test("notices that no more than the date of an identity is other", async () => {
    await kratos.identity();
    await run();
    await kratos.client`update identities set updated_at = '2027-01-01T00:00:00'`;

    expect([(await run()).summary.users, (await run()).summary.users]).toEqual([1, 0]);
    expect((await findUsers())[0]?.changedAt).toBe(1_798_761_600_000_000n);
  });

  test("does not open what was ended here", async () => {
    await kratos.session({ identity_id: await kratos.identity() });
    await run();
    await database.client`
      update sessions set ended_at = now(), end_reason = 'signed out' where instance_id = ${instanceId}`;

    await run();

    expect((await findSession()).endReason).toBe("signed out");
  });
});

describe("the networks of a database", () => {
  test("are told if there are several, and one of them is read if it is named", async () => {
    const other = await kratos.network();
    await kratos.session({ identity_id: await kratos.identity() });
    const identity_id = await kratos.identity({ nid: other });
    await kratos.sessions([
      { identity_id, nid: other },
      { identity_id, nid: other },
    ]);

    const failed = run();
    await expect(failed).rejects.toThrow(ImportError);
    await expect(failed).rejects.toThrow(/several networks, choose one with --network: /);
    await expect(failed).rejects.toThrow(`${other} (2 sessions)`);
    await expect(failed).rejects.toThrow(`${kratos.nid} (1 sessions)`);
    await expect(run({ network: randomUUID() })).rejects.toThrow(/has no such network; it has /);
    expect((await run({ network: other.toUpperCase() })).stdout).toMatch(/^imported 1 users, 2 sessions;/);
    expect((await findUsers()).map(({ id }) => id)).toEqual([identity_id]);
  });

  test("may be none", async () => {
    expect((await run()).stdout).toBe("imported 0 users, 0 sessions; unchanged 0; refused 0\n");
  });
});

describe("two thousand sessions", () => {
  test("are all stored, each with what it is; the tokens are nowhere, and all is as before after a second pass", async () => {
    const identities = await Promise.all(Array.from({ length: 50 }, () => kratos.identity()));
    const rows = fc.sample(sessionOf(identities), { numRuns: 2_000, seed: 1 });
    const given = await kratos.sessions(rows);

    const first = await run({ isTTY: true });
    const stored = await findSessions();
    const second = await run();

    expect(first.stdout).toBe("imported 50 users, 2000 sessions; unchanged 0; refused 0\n");
    expect(first.stderr).toMatch(/100% \| 2050 rows \| 0 refused/);
    expect(second.stdout).toBe("imported 0 users, 0 sessions; unchanged 2050; refused 0\n");
    expect(await findSessions()).toEqual(stored);
    const byId = new Map(stored.map((session) => [session.id, session]));
    for (const session of given) {
      const found = byId.get(session.id);
      expect(found?.tokenHash).toEqual(session.token === null ? null : hashToken(session.token));
      expect(found?.endedAt === null).toBe(session.active);
      expect(found?.userId).toBe(session.identity_id);
      expect(micros(found?.expiresAt ?? 0n)).toBe(session.expires_at);
      expect(aalOf(methodsOf(found as Session)) > session.aal).toBe(false);
    }
    expect(await countRowsWithAny(given)).toBe(0);
    for (const { token } of given) if (token) expect(first.stdout + first.stderr).not.toContain(token);
  });
});

describe("a session that was moved", () => {
  let server: TestServer;
  beforeEach(async () => {
    server = await startTestServer();
    instanceId = server.instanceId;
  });
  afterEach(() => server.close());

  test("is opened by its token, in whoami and with the others of its user", async () => {
    const traits = { email: "ann@example.com" };
    const identity_id = await kratos.identity({ traits, organization_id: randomUUID() });
    const device = { ip_address: "192.0.2.7:1", user_agent: "Firefox" };
    const [mine, other] = await kratos.sessions([
      { identity_id, device },
      { identity_id },
      { identity_id, active: false },
      { identity_id, expires_at: "2026-01-03T00:00:00" },
      { identity_id: await kratos.identity() },
    ]);
    await run();

    const headers = { "x-session-token": mine?.token ?? "" };
    const whoami = await fetch(`${server.url}/sessions/whoami`, { headers });
    const list = await fetch(`${server.url}/sessions`, { headers });

    expect(whoami.status).toBe(200);
    expect(await whoami.json()).toMatchObject({
      id: mine?.id,
      active: true,
      expires_at: "2100-01-01T00:00:00Z",
      issued_at: at,
      authenticated_at: at,
      authenticator_assurance_level: "aal1",
      authentication_methods: [{ method: "password", aal: "aal1", completed_at: at }],
      identity: { id: identity_id, traits, created_at: at, updated_at: at },
      devices: [{ ip_address: "192.0.2.7", user_agent: "Firefox" }],
    });
    expect(await list.json()).toMatchObject([{ id: other?.id }]);
  });

  test.each([
    ["revoked", { active: false }, {}],
    ["expired", { expires_at: "2026-01-03T00:00:00" }, {}],
    ["of a disabled user", {}, { state: "inactive" }],
  ])("gets 401 if it is %s", async (_name, more, identity) => {
    const { token } = await kratos.session({ identity_id: await kratos.identity(identity), ...more });
    await run();

    const response = await fetch(`${server.url}/sessions/whoami`, { headers: { "x-session-token": token ?? "" } });

    expect(response.status).toBe(401);
  });
});

async function run(options: { url?: string; network?: string; isTTY?: boolean; database?: Database } = {}) {
  const { isTTY = false, ...others } = options;
  return await capture(isTTY, (streams) =>
    runKratosImport({ url: kratos.url, instanceId, database, ...others, ...streams }),
  );
}

async function findUsers(): Promise<User[]> {
  return (await database.db.select().from(users)).filter((user) => user.instanceId === instanceId);
}

async function findSessions(): Promise<Session[]> {
  const found = (await database.db.select().from(sessions)).filter((session) => session.instanceId === instanceId);
  return found.sort((a, b) => (a.id < b.id ? -1 : 1));
}

async function findSession(): Promise<Session> {
  const [session, ...others] = await findSessions();
  if (!session || others.length > 0) throw new Error("not one session");
  return session;
}

function sessionOf(identities: readonly string[]) {
  const time = fc.integer({ min: 0, max: 999_999 }).map((n) => `2026-01-02T03:04:05.${String(n).padStart(6, "0")}`);
  const year = fc.constantFrom("2025", "2026", "2099");
  const names = [
    "password",
    "oidc",
    "saml",
    "totp",
    "lookup_secret",
    "code",
    "webauthn",
    "passkey",
    "profile",
    "other",
  ];
  const method = fc.record({
    method: fc.constantFrom(...names),
    aal: fc.constantFrom("aal1", "aal2"),
    completed_at: fc.constantFrom(at, later),
  });
  return fc.record({
    identity_id: fc.constantFrom(...identities),
    active: fc.boolean(),
    aal: fc.constantFrom("aal1", "aal2"),
    authentication_methods: fc.array(method, { minLength: 1, maxLength: 4 }),
    created_at: time,
    updated_at: time,
    expires_at: fc.tuple(year, time).map(([y, text]) => y + text.slice(4)),
  });
}

function micros(instant: bigint): string {
  const text = new Date(Number(instant / 1_000n)).toISOString();
  return `${text.slice(0, 20)}${String(instant % 1_000_000n).padStart(6, "0")}`;
}

async function countRowsWithAny(given: readonly GivenKratosSession[]): Promise<number> {
  const tokens = given.flatMap(({ token }) => (token ? [token, Buffer.from(token).toString("hex")] : []));
  const rows = await database.client<{ text: string }[]>`
    select t::text as text from users t where instance_id = ${instanceId}
    union all select t::text from sessions t where instance_id = ${instanceId}`;
  const all = rows.map(({ text }) => text).join("\n");
  return tokens.filter((token) => all.includes(token)).length;
}
