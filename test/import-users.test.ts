import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashToken } from "../src/auth/token.ts";
import { everySessionOf } from "../src/sessions/access.ts";
import { apiTokens } from "../src/sessions/schema.ts";
import { holdUser } from "../src/sessions/users.ts";
import { waitUntilBlockedBy } from "./support/database.ts";
import { now } from "./support/given.ts";
import { ann, at, createInstance, type Importer, isAnn, openImporter, toText } from "./support/imports.ts";
import { idsOf, startKratosServer } from "./support/kratos.ts";

const long = "2026-01-03T00:00:00Z";
const past = "2026-01-02T04:00:00Z";
const ofBob = { user: { ...isAnn.user, id: "bob" } };

let importer: Importer;

beforeAll(async () => {
  importer = await openImporter();
});

afterAll(() => importer.close());

describe("a user who is disabled", () => {
  test("by no more than that keeps their names", async () => {
    const { user, instanceId } = createInstance();
    await importer.fromFile(toText([user({ avatarUrl: "https://a.example" })]));
    const [before] = await findUsers(instanceId);

    const disabled = { instanceId, user: { id: "ann", organizationId: "org", state: "inactive" } };
    const { stdout } = await importer.fromFile(toText([disabled]));

    expect(stdout).toBe("imported 1 users, 0 sessions; unchanged 0; refused 0\n");
    expect(await findUsers(instanceId)).toEqual([{ ...before, state: "inactive", changed_at: expect.anything() }]);
  });

  test("before anything else is known of them has empty names", async () => {
    const { instanceId } = createInstance();

    await importer.fromFile(toText([{ instanceId, user: { id: "ann", organizationId: "org", state: "inactive" } }]));

    expect(await findUsers(instanceId)).toMatchObject([{ user_name: "", login_name: "", display_name: "" }]);
  });
});

describe("a user who is deleted", () => {
  test("keeps no session either that is being opened at that moment", async () => {
    const { user, session, instanceId } = createInstance();
    await importer.fromFile(toText([user(), session("template")]));
    const scope = everySessionOf(instanceId);
    const isHeld = Promise.withResolvers<number>();
    const isWaitedFor = Promise.withResolvers<void>();
    const opened = importer.database.db.transaction(async (transaction) => {
      const [own] = await transaction.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`);
      await holdUser(transaction, scope, "ann");
      isHeld.resolve(own?.pid ?? 0);
      await isWaitedFor.promise;
      await transaction.execute(sql`
        update sessions set user_id = 'ann', organization_id = 'org', user_checked_at = now()
        where instance_id = ${instanceId}`);
    });
    const pid = await isHeld.promise;

    const deleted = importer.fromFile(toText([deletion(instanceId)]));
    await waitUntilBlockedBy(importer.database, pid);
    isWaitedFor.resolve();
    await opened;

    expect((await deleted).stdout).toBe("imported 1 users, 1 sessions; unchanged 0; refused 0\n");
    expect(await findSessions(instanceId)).toMatchObject({ template: { end_reason: "user_deleted" } });
  });

  test("keeps no name and no open session, and all others do", async () => {
    const { user, session, instanceId } = createInstance();
    const profile = {
      avatarUrl: "https://a.example",
      traits: { a: 1 },
      metadataPublic: { b: 2 },
      availableAal: "aal2",
    };
    await importer.fromFile(
      toText([
        user(profile),
        user({ id: "bob", ...profile }),
        session("open", { factors: isAnn, changeDate: past }),
        session("expired", { factors: isAnn, expirationDate: past }),
        session("ended", { factors: isAnn, endedAt: past, endReason: "signed_out", endedBy: "ann" }),
        session("made", { creatorId: "ann" }),
        session("of bob", { factors: ofBob }),
      ]),
    );
    const [before, tokens] = [await findSessions(instanceId), await givenApiTokens(instanceId, ["ann", "ann", "bob"])];

    const { stdout } = await importer.fromFile(toText([deletion(instanceId)]));

    expect(stdout).toBe("imported 1 users, 2 sessions; unchanged 0; refused 0\n");
    const [tombstone, bob] = await findUsers(instanceId);
    expect(tombstone).toMatchObject({ ...noNames, organization_id: "org", state: "deleted" });
    expect(bob).toMatchObject({ display_name: "Ann", state: "active", traits: { a: 1 } });
    const after = await findSessions(instanceId);
    const end = { ended_at: expect.any(String), end_reason: "user_deleted", ended_by: null };
    for (const id of ["open", "expired"]) {
      const changed = { ...end, changed_at: after[id]?.["ended_at"], sequence: expect.anything() };
      expect(after[id]).toEqual({ ...before[id], ...changed });
      expect(Number(after[id]?.["sequence"])).toBeGreaterThan(highestSequence(before));
    }
    for (const id of ["ended", "made", "of bob"]) expect(after[id]).toEqual(before[id]);
    expect(await findApiTokens(instanceId)).toEqual(tokens.slice(2));
  });

  test("is remembered also if nothing was known of them", async () => {
    const { instanceId, session } = createInstance();

    const { summary } = await importer.fromFile(toText([deletion(instanceId), session("1", { factors: isAnn })]));

    expect(summary).toEqual({ users: 1, sessions: 1, unchanged: 0, refused: 0 });
    expect(await findUsers(instanceId)).toMatchObject([{ ...noNames, organization_id: "", state: "deleted" }]);
  });

  test("is deleted once, however often that is said", async () => {
    const { instanceId, session } = createInstance();
    await importer.fromFile(toText([session("1", { factors: isAnn })]));

    const first = await importer.fromFile(toText([deletion(instanceId), deletion(instanceId)]));
    const before = await findAll(instanceId);
    const second = await importer.fromFile(toText([deletion(instanceId)]));

    expect(first.summary).toEqual({ users: 1, sessions: 1, unchanged: 1, refused: 0 });
    expect(second.summary).toEqual({ users: 0, sessions: 0, unchanged: 1, refused: 0 });
    expect(await findAll(instanceId)).toEqual(before);
  });

  test("loses again what came after they were deleted", async () => {
    const { instanceId, session, user } = createInstance();
    await importer.fromFile(toText([deletion(instanceId), session("1", { factors: isAnn }), user()]));

    const named = await importer.fromFile(toText([deletion(instanceId)]));
    await importer.fromFile(toText([session("2", { factors: isAnn })]));
    const unnamed = await importer.fromFile(toText([deletion(instanceId)]));
    await givenApiTokens(instanceId, ["ann"]);
    const withToken = await importer.fromFile(toText([deletion(instanceId)]));

    expect(named.summary).toEqual({ users: 1, sessions: 1, unchanged: 0, refused: 0 });
    expect(unnamed.summary).toEqual({ users: 0, sessions: 1, unchanged: 0, refused: 0 });
    expect(withToken.summary).toEqual({ users: 0, sessions: 0, unchanged: 0, refused: 0 });
    expect(await findUsers(instanceId)).toMatchObject([noNames]);
    expect(await findApiTokens(instanceId)).toEqual([]);
  });

  test.each([
    ["without a state stay deleted", {}, "deleted"],
    ["with a state that is null stay deleted", { state: null }, "deleted"],
    ["who are active are back", { state: "active" }, "active"],
    ["who are inactive are back", { state: "inactive" }, "inactive"],
  ])("and comes again %s", async (_name, more, state) => {
    const { instanceId, user } = createInstance();
    await importer.fromFile(toText([user(), deletion(instanceId)]));

    const { summary } = await importer.fromFile(toText([user(more)]));

    expect(summary).toMatchObject({ users: 1 });
    expect(await findUsers(instanceId)).toMatchObject([{ display_name: "Ann", state }]);
  });

  test("is not another instance's", async () => {
    const { instanceId, user, session } = createInstance();
    await importer.fromFile(toText([user(), session("1", { factors: isAnn })]));
    await givenApiTokens(instanceId, ["ann"]);
    const before = await findAll(instanceId);

    await importer.fromFile(toText([deletion(createInstance().instanceId)]));

    expect(await findAll(instanceId)).toEqual(before);
  });
});

describe("a deletion counts where it stands", () => {
  test("among thousands of sessions, in however many batches", async () => {
    const { instanceId, session } = createInstance();
    const many = (name: string) =>
      Array.from({ length: 3_000 }, (_, i) => session(`${name}-${i}`, { factors: i % 2 ? isAnn : ofBob }));

    const { summary } = await importer.fromFile(
      toText([...many("before"), deletion(instanceId), ...many("after"), session("before-1", { factors: ofBob })]),
    );

    expect(summary).toEqual({ users: 3, sessions: 7_501, unchanged: 0, refused: 0 });
    const rows = Object.values(await findSessions(instanceId));
    const ended = rows.filter((row) => row["end_reason"] === "user_deleted").map(({ id }) => String(id));
    expect(ended).toHaveLength(1_500);
    expect(ended.filter((id) => !id.startsWith("before-"))).toEqual([]);
    expect(ended).toContain("before-1");
  });

  test("among thousands of users and of other deletions", async () => {
    const { instanceId, user } = createInstance();
    const users = Array.from({ length: 5_000 }, (_, i) => user({ id: `u${i}` }));
    const deletions = Array.from({ length: 5_000 }, (_, i) => deletion(instanceId, `u${i}`));
    const mixed = users.flatMap((line, i) => [line, deletions[i - 1] ?? line]);

    const { summary } = await importer.fromFile(toText(mixed));

    expect(summary).toEqual({ users: 9_999, sessions: 0, unchanged: 1, refused: 0 });
    const states = (await findUsers(instanceId)).map(({ id, state }) => state === "deleted" || id === "u4999");
    expect(states).toEqual(Array(5_000).fill(true));
  });

  test("in any file: it does what its lines do one by one", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyLine(), { minLength: 2, maxLength: 14 }), async (lines) => {
        const [atOnce, oneByOne] = [randomUUID(), randomUUID()];

        await importer.fromFile(toText(lines.map((line) => ({ ...line, instanceId: atOnce }))));
        for (const line of lines) await importer.fromFile(toText([{ ...line, instanceId: oneByOne }]));

        expect(await findLasting(atOnce)).toEqual(await findLasting(oneByOne));
      }),
      { numRuns: 60 },
    );
  });
});

describe("whose source disables or deletes them", () => {
  test.each([
    ["inactive", (instanceId: string, id: string) => ({ instanceId, user: { ...ann, id, state: "inactive" } })],
    ["deleted", deletion],
  ])("%s: every token of theirs fails at once, a new one too", async (state, toLine) => {
    await using server = await openServer();
    const { instanceId } = server;
    const { user, headers, token, session } = await server.signIn();
    const [apiToken] = await givenApiTokens(instanceId, [user.id]);
    const jwt = await server.issuer.token({ sub: user.id });
    const jwtOfSession = await server.issuer.token({ sub: user.id, sid: session.id });
    const factors = { user: { ...isAnn.user, id: user.id }, password: { verifiedAt: at } };
    const late = { instanceId, session: { id: "late", creationDate: at, factors, token: "ory_st_late" } };
    const search = (one: string) => server.ask("POST", "/v2/sessions/search", { ...bearer(one), body: "{}" });
    const open = () =>
      Promise.all([
        server.ask("GET", "/sessions/whoami", { headers }),
        server.ask("GET", "/sessions/whoami", bearer(jwtOfSession)),
        ...[token, jwt, String(apiToken)].map(search),
      ]).then((answers) => answers.map(({ status }) => status));
    expect(await open()).toEqual([200, 200, 200, 200, 200]);

    await importer.fromFile(toText([toLine(instanceId, user.id)]));

    expect(await open()).toEqual([401, 401, 401, 401, 401]);
    await importer.fromFile(toText([late]));
    expect((await search("ory_st_late")).status).toBe(401);
    expect((await server.ask("GET", "/sessions/whoami", bearer("ory_st_late"))).status).toBe(401);
    expect(await findUsers(instanceId)).toMatchObject([{ state }]);
  });

  test("inactive: their sessions are listed as they are", async () => {
    await using server = await openServer();
    const { user, session } = await server.signIn();
    const before = await listEverywhere(server);

    await importer.fromFile(
      toText([{ instanceId: server.instanceId, user: { ...ann, id: user.id, state: "inactive" } }]),
    );

    expect(before).toEqual({ zitadel: [session.id], kratos: [session.id], open: [session.id] });
    expect(await listEverywhere(server)).toEqual(before);
  });

  test("deleted: their sessions are listed as ended, without their names", async () => {
    await using server = await openServer();
    const { user, session } = await server.signIn();

    await importer.fromFile(toText([deletion(server.instanceId, user.id)]));

    expect(await listEverywhere(server)).toEqual({ zitadel: [], kratos: [session.id], open: [] });
    const headers = await server.manager();
    const { json } = await server.ask("GET", `/admin/sessions/${session.id}?expand=identity`, { headers });
    expect(json).toMatchObject({ active: false, identity: { id: user.id, state: "inactive", traits: {} } });
  });
});

describe("the dates of a user", () => {
  const dates = { creationDate: at, changeDate: past };
  const stored = { created_at: "2026-01-02 03:04:05.123456+00", changed_at: "2026-01-02 04:00:00+00" };

  test("are those of the line, and the same again changes nothing", async () => {
    const { instanceId, user } = createInstance();

    await importer.fromFile(toText([user(dates)]));
    const { summary } = await importer.fromFile(toText([user(dates)]));

    expect(summary).toMatchObject({ unchanged: 1 });
    expect(await findUsers(instanceId)).toMatchObject([stored]);
  });

  test.each([
    ["left out", {}],
    ["null", { creationDate: null, changeDate: null }],
  ])("stay as they are if they are %s and nothing else changes", async (_name, more) => {
    const { instanceId, user } = createInstance();
    await importer.fromFile(toText([user(dates)]));

    const { summary } = await importer.fromFile(toText([user(more)]));

    expect(summary).toMatchObject({ unchanged: 1 });
    expect(await findUsers(instanceId)).toMatchObject([stored]);
  });

  test.each(["one file", "two files"])(
    "are those of the day on which they change without any, in %s",
    async (files) => {
      const { instanceId, user } = createInstance();
      const lines = [user(dates), user({ displayName: "Anna" })];

      for (const text of files === "one file" ? [toText(lines)] : lines.map((line) => toText([line]))) {
        await importer.fromFile(text);
      }

      const [changed] = await findUsers(instanceId);
      expect(changed).toMatchObject({ created_at: stored.created_at, display_name: "Anna" });
      expect(changed?.["changed_at"]).not.toBe(stored.changed_at);
    },
  );
});

describe("who ended a session", () => {
  test("is kept by a line that does not know of it, and taken back with the end", async () => {
    const { session, instanceId } = createInstance();
    const endAfter = async (more: object) => {
      await importer.fromFile(toText([session("1", more)]));
      return (await findSessions(instanceId))["1"]?.["ended_by"];
    };

    expect(await endAfter({ endedAt: past, endedBy: "admin" })).toBe("admin");
    expect(await endAfter({})).toBe("admin");
    expect(await endAfter({ endedBy: null })).toBe("admin");
    expect(await endAfter({ endedAt: past, endReason: "x" })).toBe(null);
    expect(await endAfter({ endedAt: past, endedBy: "bob" })).toBe("bob");
    expect(await endAfter({ endedAt: null })).toBe(null);
  });
});

const noNames = {
  user_name: "",
  login_name: "",
  display_name: "",
  avatar_url: "",
  traits: null,
  metadata_public: null,
  available_aal: null,
};

type Row = Record<string, unknown>;

function deletion(instanceId: string, id = "ann") {
  return { instanceId, user: { id, deleted: true } };
}

/** Of few users and sessions, so that they meet. */
function anyLine(): fc.Arbitrary<object> {
  const userId = fc.constantFrom("u1", "u2", "u3");
  const sessionId = fc.constantFrom("s1", "s2", "s3", "s4", "s5");
  const user = fc
    .record({
      id: userId,
      state: fc.constantFrom(undefined, "active", "inactive"),
      displayName: fc.constantFrom("A", "B"),
    })
    .map((names) => ({ user: { ...names, organizationId: "org" } }));
  const session = fc
    .record({
      id: sessionId,
      userId: fc.option(userId),
      end: fc.constantFrom({}, {}, { endedAt: null }, { endedAt: past, endReason: "x", endedBy: "y" }),
      creatorId: fc.constantFrom("c", "d"),
    })
    .map(({ userId, end, ...rest }) => {
      const factors =
        userId === null ? {} : { factors: { user: { id: userId, organizationId: "org", verifiedAt: at } } };
      return { session: { ...rest, ...end, ...factors, creationDate: at, expirationDate: long } };
    });
  const deletion = userId.map((id) => ({ user: { id, deleted: true } }));
  return fc.oneof(
    { weight: 3, arbitrary: session },
    { weight: 1, arbitrary: user },
    { weight: 2, arbitrary: deletion },
  );
}

/** Without what is other each time: the instance, sequences, and the time of now. */
async function findLasting(instanceId: string): Promise<unknown> {
  const { users, sessions } = await findAll(instanceId);
  return {
    users: users.map(({ instance_id, created_at, changed_at, ...user }) => user),
    sessions: Object.values(sessions).map(({ instance_id, sequence, changed_at, ended_at, ...session }) => ({
      ...session,
      isEnded: ended_at !== null,
    })),
  };
}

async function findAll(instanceId: string) {
  const [users, sessions] = [await findUsers(instanceId), await findSessions(instanceId)];
  return { users, sessions, apiTokens: await findApiTokens(instanceId) };
}

async function findUsers(instanceId: string): Promise<Row[]> {
  const rows = await importer.database.client`
    select *, created_at::text, changed_at::text from users where instance_id = ${instanceId} order by id`;
  return rows.map((row) => ({ ...row }));
}

async function findSessions(instanceId: string): Promise<Record<string, Row>> {
  const rows = await importer.database.client`
    select *, created_at::text, changed_at::text, ended_at::text from sessions
    where instance_id = ${instanceId} order by id`;
  return Object.fromEntries(rows.map((row) => [row["id"], { ...row }]));
}

function highestSequence(sessions: Record<string, Row>): number {
  return Math.max(...Object.values(sessions).map(({ sequence }) => Number(sequence)));
}

/** An API token for each of these users, which is its own id too. */
async function givenApiTokens(instanceId: string, userIds: string[]): Promise<string[]> {
  const tokens = userIds.map(() => `rc_${randomUUID()}`);
  const rows = tokens.map((token, i) => ({
    ...{ instanceId, id: token, userId: userIds[i] ?? "", name: "", scope: "session.read" },
    ...{ tokenHash: hashToken(token), createdAt: now },
  }));
  await importer.database.db.insert(apiTokens).values(rows);
  return tokens;
}

async function findApiTokens(instanceId: string): Promise<string[]> {
  const rows = await importer.database.client<{ id: string }[]>`
    select id from api_tokens where instance_id = ${instanceId}`;
  return rows.map(({ id }) => id);
}

async function openServer() {
  const server = await startKratosServer();
  return { ...server, [Symbol.asyncDispose]: () => server.close() };
}

function bearer(token: string) {
  return { headers: { authorization: `Bearer ${token}`, "content-type": "application/json" } };
}

async function listEverywhere(server: Awaited<ReturnType<typeof openServer>>) {
  const headers = await server.manager();
  const search = await server.ask("POST", "/v2/sessions/search", {
    headers: { ...headers, "content-type": "application/json" },
    body: "{}",
  });
  return {
    zitadel: (search.json.sessions ?? []).map(({ id }: { id: string }) => id),
    kratos: idsOf(await server.ask("GET", "/admin/sessions", { headers })),
    open: idsOf(await server.ask("GET", "/admin/sessions?active=true", { headers })),
  };
}
