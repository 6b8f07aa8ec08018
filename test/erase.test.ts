import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { hashToken } from "../src/auth/token.ts";
import type { Database } from "../src/database.ts";
import { everySessionOf } from "../src/sessions/access.ts";
import { erasePerson } from "../src/sessions/person.ts";
import { apiTokens } from "../src/sessions/schema.ts";
import { createTestDatabase, openTestDatabase, testDatabaseUrl, waitUntilBlockedBy } from "./support/database.ts";
import { createGiven, hour, minute, now } from "./support/given.ts";
import { startKratosServer } from "./support/kratos.ts";
import { startCommand } from "./support/rollcall.ts";

const noOne = { users: 0, sessions: 0, apiTokens: 0, forgotten: 0 };

let database: Database;
let instanceId: string;
// One that no other row of the shared database can hold by accident.
let userId: string;

beforeAll(() => {
  database = openTestDatabase();
});

afterAll(() => database.close());

beforeEach(() => {
  instanceId = randomUUID();
  userId = `ann-${randomUUID()}`;
});

describe("rollcall erase", () => {
  test("says how much it erased, and leaves nothing that names the person", async () => {
    await givenPerson(database);
    expect(await countRowsNaming(database)).toBe(9);

    const { code, stdout, stderr } = await erase(userId);

    const counts = "erased 1 user, 3 sessions, 2 API tokens; forgotten as creator or ender of 3 other sessions\n";
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: counts, stderr: "" });
    expect(await countRowsNaming(database)).toBe(0);
  });

  test("says so if it is no more than one of each", async () => {
    const given = createGiven(database, instanceId);
    await given.user({ id: userId });
    await given.session({ userId });
    await given.session({ creatorId: userId });
    await givenApiToken(database, userId);

    const { stdout } = await erase(userId);

    expect(stdout).toBe("erased 1 user, 1 session, 1 API token; forgotten as creator or ender of 1 other session\n");
  });

  test("has nothing to do for somebody unknown, which is no failure", async () => {
    const { code, stdout } = await erase(userId);

    const counts = "erased 0 users, 0 sessions, 0 API tokens; forgotten as creator or ender of 0 other sessions\n";
    expect({ code, stdout }).toEqual({ code: 0, stdout: counts });
  });

  test("needs to know whom", async () => {
    const { code, stdout, stderr } = await startCommand(["erase"]).ended;

    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch("required option '--user <id>' not specified");
  });
});

describe("a person who is erased", () => {
  test("is forgotten by sessions of others, which have changed, and stay as they are but for that", async () => {
    await givenPerson(database);
    const before = await findSessions(database);
    const highest = Math.max(...Object.values(before).map(({ sequence }) => Number(sequence)));

    await erasePerson(database.db, everySessionOf(instanceId), userId, now);

    const after = await findSessions(database);
    const forgotten = {
      made: { creator_id: null },
      ended: { ended_by: null },
      both: { creator_id: null, ended_by: null },
    };
    for (const [id, columns] of Object.entries(forgotten)) {
      const changed = { changed_at: "2026-03-01 12:00:00.123456+00", sequence: expect.anything() };
      expect(after[id]).toEqual({ ...before[id], ...columns, ...changed });
      expect(Number(after[id]?.["sequence"])).toBeGreaterThan(highest);
    }
    expect(Object.keys(after).toSorted()).toEqual(["both", "ended", "made", "other"]);
    expect(after["other"]).toEqual(before["other"]);
  });

  test("is so also after they were deleted", async () => {
    await createGiven(database, instanceId).user({ id: userId, state: "deleted" });

    expect(await erasePerson(database.db, everySessionOf(instanceId), userId, now)).toEqual({ ...noOne, users: 1 });
    expect(await countRowsNaming(database)).toBe(0);
  });

  test("is not so in another instance", async () => {
    await givenPerson(database);
    const before = await findSessions(database);

    expect(await erasePerson(database.db, everySessionOf(randomUUID()), userId, now)).toEqual(noOne);
    expect(await findSessions(database)).toEqual(before);
    expect(await countRowsNaming(database)).toBe(9);
  });

  test("has tokens that open nothing", async () => {
    const server = await startKratosServer();
    instanceId = server.instanceId;
    const { token, headers } = await server.signIn({ id: userId });
    const apiToken = await givenApiToken(server.database, userId);
    const search = (one: string) =>
      server.ask("POST", "/v2/sessions/search", {
        headers: { authorization: `Bearer ${one}`, "content-type": "application/json" },
        body: "{}",
      });
    const open = async () => {
      const answers = [server.ask("GET", "/sessions/whoami", { headers }), search(token), search(apiToken)];
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    expect(await open()).toEqual([200, 200, 200]);

    await erasePerson(server.database.db, everySessionOf(instanceId), userId, now);

    expect(await open()).toEqual([401, 401, 401]);
    await server.close();
  });

  test("is erased wholly although sessions are changed meanwhile, of which nothing else is lost", async () => {
    await givenPerson(database);
    const changed = Promise.withResolvers<void>();
    const waited = Promise.withResolvers<void>();
    const change = database.client.begin(async (sql) => {
      const [own] = await sql`select pg_backend_pid() as pid`;
      await sql`update sessions set metadata = '{"a":"AA=="}' where instance_id = ${instanceId} and id = 'own-1'`;
      await sql`
        update sessions set ended_at = now(), ended_by = 'bob' where instance_id = ${instanceId} and id = 'made'`;
      changed.resolve();
      await waitUntilBlockedBy(database, Number(own?.["pid"]));
      waited.resolve();
    });
    await changed.promise;

    const erased = erasePerson(database.db, everySessionOf(instanceId), userId, now);
    await waited.promise;
    await change;

    expect(await erased).toEqual({ users: 1, sessions: 3, apiTokens: 2, forgotten: 3 });
    expect(await findSessions(database)).toMatchObject({ made: { creator_id: null, ended_by: "bob" } });
    expect(await countRowsNaming(database)).toBe(0);
  });

  test("is erased wholly or not at all", async () => {
    const own = await createTestDatabase();
    const other = openTestDatabase(own.url);
    await givenPerson(other);
    await other.client`
      create function refuse() returns trigger language plpgsql as $$ begin raise 'refused by a test'; end $$`;
    await other.client`
      create trigger refuse before update on sessions for each row when (old.id = 'made') execute function refuse()`;

    const settings = { DATABASE_URL: own.url, INSTANCE_ID: instanceId };
    const { code, stdout, stderr } = await startCommand(["erase", "--user", userId], settings).ended;

    expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: "", stderr: "rollcall: refused by a test\n" });
    expect(await countRowsNaming(other)).toBe(9);
    await other.client`drop trigger refuse on sessions`;
    expect((await startCommand(["erase", "--user", userId], settings).ended).code).toBe(0);
    expect(await countRowsNaming(other)).toBe(0);
    await other.close();
    await own.drop();
  });
});

/** A user with three sessions and two API tokens, whom three sessions of others name, and one does not. */
async function givenPerson(database: Database): Promise<void> {
  const given = createGiven(database, instanceId);
  await given.user({ id: userId });
  await given.session({ id: "own-1", userId, creatorId: userId });
  await given.session({ id: "own-2", userId, expiresAt: now - minute });
  await given.session({ id: "own-3", userId, endedAt: now - hour, endReason: "signed_out", endedBy: userId });
  await given.session({ id: "made", creatorId: userId });
  await given.session({ id: "ended", userId: "bob", endedAt: now - hour, endReason: "revoked", endedBy: userId });
  await given.session({ id: "both", userId: "bob", creatorId: userId, endedAt: now - hour, endedBy: userId });
  await given.session({ id: "other", userId: "bob", creatorId: "bob", endedAt: now - hour, endedBy: "bob" });
  await givenApiToken(database, userId);
  await givenApiToken(database, userId);
}

async function givenApiToken({ db }: Database, ofUser: string): Promise<string> {
  const token = `rc_${randomUUID()}`;
  const row = { instanceId, id: randomUUID(), userId: ofUser, name: "", scope: "session.read" };
  await db.insert(apiTokens).values({ ...row, tokenHash: hashToken(token), createdAt: now });
  return token;
}

function erase(user: string) {
  return startCommand(["erase", "--user", user], { DATABASE_URL: testDatabaseUrl(), INSTANCE_ID: instanceId }).ended;
}

async function findSessions({ client }: Database): Promise<Record<string, Record<string, unknown>>> {
  const rows = await client`select *, changed_at::text from sessions where instance_id = ${instanceId}`;
  return Object.fromEntries(rows.map((row) => [row["id"], { ...row }]));
}

/** In any column of any table. */
async function countRowsNaming({ client }: Database): Promise<number> {
  const pattern = `%${userId}%`;
  const [found] = await client`
    select (select count(*)::int from users t where t::text like ${pattern})
      + (select count(*)::int from sessions t where t::text like ${pattern})
      + (select count(*)::int from api_tokens t where t::text like ${pattern}) as rows`;
  return found?.["rows"];
}
