import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Database, openDatabase } from "../../src/database.ts";
import { listApiTokens, revokeApiToken, useApiToken } from "../../src/sessions/api-tokens.ts";
import { createGivenApiToken } from "../support/api-tokens.ts";
import { createTestDatabase, openTestDatabase, type TestDatabase } from "../support/database.ts";
import { createGiven, hour, minute, now, second } from "../support/given.ts";

const database = openTestDatabase();
afterAll(() => database.close());
const { db, client } = database;
const instanceId = randomUUID();
const given = createGiven(database, instanceId);
const givenApiToken = createGivenApiToken({ database, instanceId });

describe("the use of a token", () => {
  test("tells its user and scope, and that its user is not known", async () => {
    const { tokenHash } = await givenApiToken({ userId: "nobody", scope: "session.write/org-1" });

    expect(await useApiToken(db, instanceId, tokenHash, now)).toEqual({
      token: { userId: "nobody", scope: "session.write/org-1" },
      user: null,
    });
  });

  test.each(["active", "inactive", "deleted"] as const)("tells that its user is %s", async (state) => {
    const { id: userId } = await given.user({ state });
    const { tokenHash } = await givenApiToken({ userId });

    expect(await useApiToken(db, instanceId, tokenHash, now)).toMatchObject({ user: { state } });
  });

  test("does not take a user of another instance for its own", async () => {
    const { id: userId } = await createGiven(database, randomUUID()).user({ state: "inactive" });
    const { tokenHash } = await givenApiToken({ userId });

    expect(await useApiToken(db, instanceId, tokenHash, now)).toMatchObject({ user: null });
  });

  test.each([
    ["before its end", 1n, true],
    ["at its end", 0n, false],
    ["after its end", -1n, false],
  ])("%s", async (_name, left, isGood) => {
    const { id, tokenHash } = await givenApiToken({ expiresAt: now + left });

    expect((await useApiToken(db, instanceId, tokenHash, now)) !== undefined).toBe(isGood);
    expect(await lastUseOf(id)).toBe(isGood ? now : null);
  });

  test("is none in another instance", async () => {
    const { id, tokenHash } = await givenApiToken();

    expect(await useApiToken(db, randomUUID(), tokenHash, now)).toBeUndefined();
    expect(await lastUseOf(id)).toBeNull();
  });
});

describe("the last use of a token", () => {
  test.each([
    ["the first time", null, now],
    ["a minute after the last", now - minute, now],
    ["a microsecond earlier not", now - minute + 1n, now - minute + 1n],
    ["by a clock that is behind not", now + second, now + second],
  ])("is recorded %s", async (_name, lastUsedAt, expected) => {
    const { id, tokenHash } = await givenApiToken({ lastUsedAt });

    expect(await useApiToken(db, instanceId, tokenHash, now)).toBeDefined();
    expect(await lastUseOf(id)).toBe(expected);
  });

  test("is that of the token alone", async () => {
    const [used, other] = [await givenApiToken(), await givenApiToken()];
    const elsewhere = randomUUID();
    await createGivenApiToken({ database, instanceId: elsewhere })({ id: used.id });

    await useApiToken(db, instanceId, used.tokenHash, now);

    expect([await lastUseOf(used.id), await lastUseOf(other.id)]).toEqual([now, null]);
    expect(await listApiTokens(db, elsewhere)).toMatchObject([{ lastUsedAt: null }]);
  });

  test("is left to whoever holds the row, without waiting", async () => {
    const { id, tokenHash } = await givenApiToken();

    await client.begin(async (sql) => {
      await sql`select from api_tokens where instance_id = ${instanceId} and id = ${id} for update`;
      expect(await useApiToken(db, instanceId, tokenHash, now)).toBeDefined();
    });

    expect(await lastUseOf(id)).toBeNull();
  });
});

describe("many uses at once", () => {
  let own: TestDatabase;
  let crowd: Database;
  beforeAll(async () => {
    own = await createTestDatabase();
    crowd = openDatabase(own.url, { maxConnections: 21 });
    await crowd.client`create table writes as select * from api_tokens`;
    await crowd.client.unsafe(`
      create function note_write() returns trigger language plpgsql as
        'begin insert into writes select new.*; return new; end';
      create trigger note_write after update on api_tokens for each row execute function note_write()`);
  });
  afterAll(async () => {
    await crowd.close();
    await own.drop();
  });

  test.each([
    ["the first", null],
    ["a minute after the last", now - minute],
  ])("write once: %s", async (_name, lastUsedAt) => {
    const { id, tokenHash } = await createGivenApiToken({ database: crowd, instanceId })({ lastUsedAt });

    // They wait for each other at the table's door, and then run side by side.
    let uses: ReturnType<typeof useApiToken>[] = [];
    await crowd.client.begin(async (sql) => {
      await sql`lock table api_tokens in access exclusive mode`;
      uses = Array.from({ length: 20 }, (_, i) => useApiToken(crowd.db, instanceId, tokenHash, now + BigInt(i)));
      await vi.waitFor(async () => expect(await own.countQueries()).toBe(20));
    });

    expect((await Promise.all(uses)).map((found) => found?.token.userId)).toEqual(Array(20).fill("service"));
    const [written] = await crowd.client`select count(*)::int as count from writes where id = ${id}`;
    expect(written).toEqual({ count: 1 });
  });
});

describe("the tokens of an instance", () => {
  test("are listed by user and creation date, expired ones too, and never with their hashes", async () => {
    const elsewhere = { database, instanceId: randomUUID() };
    const give = createGivenApiToken(elsewhere);
    await give({ id: "3", userId: "b", createdAt: now - hour });
    await give({ id: "2", userId: "a", createdAt: now });
    await give({ id: "1", userId: "a", createdAt: now });
    await give({ id: "0", userId: "a", createdAt: now + 1n, expiresAt: now - hour });

    const listed = await listApiTokens(db, elsewhere.instanceId);

    expect(listed.map(({ id }) => id)).toEqual(["1", "2", "0", "3"]);
    for (const token of listed) expect(token).not.toHaveProperty("tokenHash");
  });

  test("are none where none was made", async () => {
    expect(await listApiTokens(db, randomUUID())).toEqual([]);
  });

  test("go one by one, and not by the id of another instance's", async () => {
    const elsewhere = randomUUID();
    const [gone, kept] = [await givenApiToken(), await givenApiToken()];
    await createGivenApiToken({ database, instanceId: elsewhere })({ id: gone.id });

    expect(await revokeApiToken(db, randomUUID(), kept.id)).toBe(false);
    expect(await revokeApiToken(db, instanceId, gone.id)).toBe(true);
    expect(await revokeApiToken(db, instanceId, gone.id)).toBe(false);

    expect(await useApiToken(db, instanceId, gone.tokenHash, now)).toBeUndefined();
    expect(await useApiToken(db, instanceId, kept.tokenHash, now)).toBeDefined();
    expect(await listApiTokens(db, elsewhere)).toHaveLength(1);
  });
});

async function lastUseOf(id: string) {
  const found = (await listApiTokens(db, instanceId)).find((token) => token.id === id);
  if (found === undefined) throw new Error("there is no such token");
  return found.lastUsedAt;
}
