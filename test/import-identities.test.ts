import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSessionToken, hashToken } from "../src/auth/token.ts";
import { at, createInstance, type Importer, isAnn, openImporter, toText } from "./support/imports.ts";

let importer: Importer;

beforeAll(async () => {
  importer = await openImporter();
});

afterAll(() => importer.close());

const identity = {
  state: "inactive",
  traits: { email: "ann@example.com", name: { first: "Ann" }, tags: [1, null, { deep: "é" }] },
  schemaId: "customer",
  metadataPublic: { plan: "gold" },
  availableAal: "aal2",
};
const storedIdentity = {
  state: "inactive",
  traits: identity.traits,
  schema_id: "customer",
  metadata_public: identity.metadataPublic,
  available_aal: "aal2",
};
const plain = { state: "active", traits: null, schema_id: "default", metadata_public: null, available_aal: null };

describe("the identity of a user", () => {
  test("is stored with every key, and the same again changes nothing", async () => {
    const { user, instanceId } = createInstance();

    await importer.fromFile(toText([user(identity)]));
    const { stdout } = await importer.fromFile(toText([user(identity)]));

    expect(await findUser(instanceId)).toMatchObject(storedIdentity);
    expect(stdout).toBe("imported 0 users, 0 sessions; unchanged 1; refused 0\n");
  });

  test("is that of an active user without traits if the line has no such key", async () => {
    const { user, instanceId } = createInstance();

    await importer.fromFile(toText([user()]));

    expect(await findUser(instanceId)).toMatchObject(plain);
  });

  test("stays as it is under a line without such keys, which changes the rest", async () => {
    const { user, instanceId } = createInstance();
    await importer.fromFile(toText([user(identity)]));

    const unchanged = await importer.fromFile(toText([user()]));
    const changed = await importer.fromFile(toText([user({ displayName: "Anna" })]));

    expect([unchanged.summary.users, changed.summary.users]).toEqual([0, 1]);
    expect(await findUser(instanceId)).toMatchObject({ ...storedIdentity, display_name: "Anna" });
  });

  test("stays as it is under a session that names the user", async () => {
    const { user, session, instanceId } = createInstance();
    await importer.fromFile(toText([user(identity), session("1", { factors: isAnn })]));
    await importer.fromFile(toText([session("2", { factors: isAnn })]));

    expect(await findUser(instanceId)).toMatchObject(storedIdentity);
  });

  test("keeps of an earlier line of the same file what the later one leaves out", async () => {
    const { user, instanceId } = createInstance();

    await importer.fromFile(toText([user(identity), user({ displayName: "Anna", schemaId: "staff" })]));

    expect(await findUser(instanceId)).toMatchObject({ ...storedIdentity, schema_id: "staff", display_name: "Anna" });
  });

  test.each([
    ["state", { state: "active" }, { state: "active" }],
    ["schemaId", { schemaId: "staff" }, { schema_id: "staff" }],
    ["traits", { traits: {} }, { traits: {} }],
    ["metadataPublic", { metadataPublic: { a: 1 } }, { metadata_public: { a: 1 } }],
    ["availableAal", { availableAal: "aal1" }, { available_aal: "aal1" }],
    ["no traits", { traits: null }, { traits: null }],
    ["no metadataPublic", { metadataPublic: null }, { metadata_public: null }],
    ["no availableAal", { availableAal: null }, { available_aal: null }],
  ])("is changed to what the line says: %s", async (_name, more, expected) => {
    const { user, instanceId } = createInstance();
    await importer.fromFile(toText([user(identity)]));

    const { summary } = await importer.fromFile(toText([user(more)]));

    expect(summary).toEqual({ users: 1, sessions: 0, unchanged: 0, refused: 0 });
    expect(await findUser(instanceId)).toMatchObject({ ...storedIdentity, ...expected });
  });

  test("keeps its state and schema if they are null, which is no value of theirs", async () => {
    const { user, instanceId } = createInstance();
    await importer.fromFile(toText([user(identity)]));

    const { summary } = await importer.fromFile(toText([user({ state: null, schemaId: null })]));

    expect(summary).toMatchObject({ unchanged: 1 });
    expect(await findUser(instanceId)).toMatchObject(storedIdentity);
  });

  test("keeps the day they came, and renews the day they changed", async () => {
    const { user, instanceId } = createInstance();
    await importer.fromFile(toText([user()]));
    const before = await findUser(instanceId);

    await importer.fromFile(toText([user()]));
    expect(await findUser(instanceId)).toEqual(before);
    await importer.fromFile(toText([user({ state: "inactive" })]));

    const after = await findUser(instanceId);
    expect(after?.["created_at"]).toEqual(before?.["created_at"]);
    expect(after?.["changed_at"]).not.toEqual(before?.["changed_at"]);
  });

  test.each([
    ["another state", { state: "locked" }, "state must be active or inactive"],
    ["a state of another type", { state: true }, "state must be active or inactive"],
    ["a list as traits", { traits: [] }, "traits must be an object"],
    ["a text as traits", { traits: "{}" }, "traits must be an object"],
    ["a NUL in traits", { traits: { a: ["\0"] } }, "traits.a.0 holds a character that cannot be stored"],
    ["traits without end", { traits: nested(101) }, "traits must not be nested deeper than 100 levels"],
    ["an empty schema", { schemaId: "" }, "schemaId must not be empty"],
    ["a number as schema", { schemaId: 1 }, "schemaId must be a text"],
    ["a list as metadata", { metadataPublic: [] }, "metadataPublic must be an object"],
    ["metadata without end", { metadataPublic: nested(1_000) }, "metadataPublic must not be nested deeper than 100"],
    ["an unknown level", { availableAal: "aal3" }, "availableAal must be aal1 or aal2"],
    ["an unknown key", { metadataAdmin: {} }, "metadataAdmin is not a known key"],
  ])("is refused with %s", async (_name, more, reason) => {
    const { user } = createInstance();

    const { stderr } = await importer.fromFile(toText([user(more)]));

    expect(stderr).toContain(`line 1: ${reason}`);
  });

  test("is refused with JSON so deep that writing it would exhaust the stack", async () => {
    const depth = 150_000;
    const traits = `${'{"a":'.repeat(depth)}{}${"}".repeat(depth)}`;

    const { stderr } = await importer.fromFile(`{"user":{"id":"ann","organizationId":"o","traits":${traits}}}\n`);

    expect(stderr).toBe("line 1: traits must not be nested deeper than 100 levels\n");
  });

  test("may hold JSON a hundred levels deep", async () => {
    const { user } = createInstance();

    expect((await importer.fromFile(toText([user({ traits: nested(100) })]))).summary).toMatchObject({ users: 1 });
  });
});

describe("the token of a session", () => {
  test("is stored as a hash only, and the same again changes nothing", async () => {
    const { session, instanceId } = createInstance();
    const token = createSessionToken();
    const text = toText([session("1", { factors: isAnn, token }), session("2")]);

    const first = await importer.fromFile(text);
    const second = await importer.fromFile(text);

    expect(second.stdout).toBe("imported 0 users, 0 sessions; unchanged 2; refused 0\n");
    expect(await findTokens(instanceId)).toEqual({ 1: hashToken(token).toString("hex"), 2: null });
    expect(await countRowsWith(token)).toBe(0);
    expect(first.stdout + first.stderr).not.toContain(token);
  });

  test("is found in the database if it is there, or else nothing would be told by its absence", async () => {
    const { session } = createInstance();
    const token = createSessionToken();

    await importer.fromFile(toText([session("1", { creatorId: token })]));

    expect(await countRowsWith(token)).toBe(1);
  });

  test.each([
    ["without one", {}],
    ["with null", { token: null }],
  ])("stays under a line %s, which changes the rest", async (_name, more) => {
    const { session, instanceId } = createInstance();
    const token = createSessionToken();
    await importer.fromFile(toText([session("1", { factors: isAnn, token })]));

    const unchanged = await importer.fromFile(toText([session("1", { factors: isAnn, ...more })]));
    const factors = { ...isAnn, password: { verifiedAt: at } };
    const changed = await importer.fromFile(toText([session("1", { factors, ...more })]));

    expect([unchanged.summary.sessions, changed.summary.sessions]).toEqual([0, 1]);
    expect(await findTokens(instanceId)).toEqual({ 1: hashToken(token).toString("hex") });
  });

  test("stays if a later line of the same file has none", async () => {
    const { session, instanceId } = createInstance();
    const token = createSessionToken();

    await importer.fromFile(toText([session("1", { token }), session("1", { creatorId: "login" })]));

    expect(await findTokens(instanceId)).toEqual({ 1: hashToken(token).toString("hex") });
  });

  test("becomes the one that the line has", async () => {
    const { session, instanceId } = createInstance();
    await importer.fromFile(toText([session("1", { token: "old" })]));

    const { summary } = await importer.fromFile(toText([session("1", { token: "new" })]));

    expect(summary).toMatchObject({ sessions: 1 });
    expect(await findTokens(instanceId)).toEqual({ 1: hashToken("new").toString("hex") });
  });

  test("may have 1 to 200 printable characters", async () => {
    const { session, instanceId } = createInstance();

    await importer.fromFile(toText([session("1", { token: "!" }), session("2", { token: "~".repeat(200) })]));

    expect(Object.values(await findTokens(instanceId))).toEqual([expect.any(String), expect.any(String)]);
  });

  test("may be the same in two instances", async () => {
    const records = [
      createInstance().session("1", { token: "same" }),
      createInstance().session("1", { token: "same" }),
    ];

    expect((await importer.fromFile(toText(records))).summary).toMatchObject({ sessions: 2, refused: 0 });
  });

  test.each([
    ["empty", ""],
    ["a text with a blank", "secret secret"],
    ["a text with a line end", "secret\n"],
    ["a text beyond ASCII", "secretä"],
    ["a text with a NUL", "secret\0"],
    ["too long", "secret".repeat(50)],
    ["a number", 5_378_008],
    ["an object", { secret: "secret" }],
  ])("is refused if it is %s, and not repeated", async (_name, token) => {
    const { session } = createInstance();

    const { stderr } = await importer.fromFile(toText([session("1", { token })]));

    expect(stderr).toMatch(/^line 1: token (must be 1 to 200 printable|holds a character)/);
    expect(stderr).not.toMatch(/secret|5378008|ä/);
  });

  test("is not repeated if the line breaks off, wherever", async () => {
    const { session } = createInstance();
    const line = JSON.stringify(session("1", { token: "QQXXQQXXQQXX" }));
    const broken = Array.from(line, (_, i) => `${line.slice(0, i)}\u0001${line.slice(i)}\n${line.slice(0, i)}?`);

    const { stderr } = await importer.fromFile(broken.join("\n"));

    expect(stderr).toMatch(/the line is not JSON/);
    expect(stderr).not.toMatch(/[QX]{2}/);
  });

  test("is that of one session: the second line is refused, and nothing else", async () => {
    const { session, instanceId } = createInstance();
    const records = [session("1", { token: "same" }), session("2", { token: "same" }), session("3", { token: "x" })];

    const { summary, stderr } = await importer.fromFile(toText(records));

    expect(summary).toEqual({ users: 0, sessions: 2, unchanged: 0, refused: 1 });
    expect(stderr).toBe("line 2: token is that of another session\n");
    expect(Object.keys(await findTokens(instanceId))).toEqual(["1", "3"]);
  });

  test("is that of the first of two, in however many batches, and also of one stored before", async () => {
    const { session, instanceId } = createInstance();
    const first = Array.from({ length: 3_000 }, (_, i) => session(`first-${i}`, { token: `t${i}` }));
    const second = Array.from({ length: 30 }, (_, i) => session(`second-${i}`, { token: `t${(i * 997) % 3_000}` }));

    const { summary } = await importer.fromFile(toText([...first, ...second]));
    const again = await importer.fromFile(toText([...second, session("more", { token: "more" })]));

    expect(summary).toEqual({ users: 0, sessions: 3_000, unchanged: 0, refused: 30 });
    expect(again.summary).toEqual({ users: 0, sessions: 1, unchanged: 0, refused: 30 });
    expect(Object.keys(await findTokens(instanceId)).filter((id) => id.startsWith("second"))).toEqual([]);
  });
});

function nested(depth: number): object {
  return JSON.parse(`${'{"a":'.repeat(depth - 1)}{}${"}".repeat(depth - 1)}`);
}

async function findUser(instanceId: string): Promise<Record<string, unknown> | undefined> {
  const [user] = await importer.database.client`
    select *, created_at::text, changed_at::text from users where instance_id = ${instanceId} and id = 'ann'`;
  return user && { ...user };
}

async function findTokens(instanceId: string): Promise<Record<string, string | null>> {
  const rows = await importer.database.client<{ id: string; hash: string | null }[]>`
    select id, encode(token_hash, 'hex') as hash from sessions where instance_id = ${instanceId} order by id`;
  return Object.fromEntries(rows.map(({ id, hash }) => [id, hash]));
}

/** In any column, as text or as bytes. */
async function countRowsWith(token: string): Promise<number> {
  const patterns = [`%${token}%`, `%${Buffer.from(token).toString("hex")}%`];
  const [found] = await importer.database.client`
    select (select count(*)::int from users t where t::text like any(${patterns}))
      + (select count(*)::int from sessions t where t::text like any(${patterns})) as rows`;
  return found?.["rows"];
}

describe("the end of a session", () => {
  test("is kept by a line that does not know of it, and taken back only by null", async () => {
    const { session, instanceId } = createInstance();
    const ended = { endedAt: "2026-02-03T04:05:06Z", endReason: "signed out" };
    const endAfter = async (more: object) => {
      await importer.fromFile(toText([session("1", more)]));
      const [row] = await importer.database.client`select end_reason from sessions where instance_id = ${instanceId}`;
      return row?.["end_reason"];
    };

    expect(await endAfter(ended)).toBe("signed out");
    expect(await endAfter({})).toBe("signed out");
    expect(await endAfter({ endedAt: null })).toBe(null);
  });
});
