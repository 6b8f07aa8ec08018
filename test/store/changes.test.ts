import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { afterAll, describe, expect, test } from "vitest";
import { everySessionOf, sessionsOf } from "../../src/sessions/access.ts";
import { eraseSessions } from "../../src/sessions/change.ts";
import { listChanges } from "../../src/sessions/changes.ts";
import { hasIdIn } from "../../src/sessions/filter.ts";
import { sessions } from "../../src/sessions/schema.ts";
import { createGiven } from "../support/given.ts";
import { openChanges } from "./changes-database.ts";

const changes = await openChanges();
afterAll(() => changes.close());
const { database, givenInstance, openTransaction } = changes;

describe("listChanges", () => {
  test("tells nothing of an instance in which nothing happened, and where to go on", async () => {
    const other = await createGiven(database, randomUUID()).session();
    const { list } = givenInstance();

    const { sessions, upTo } = await list(0n);

    expect(sessions).toEqual([]);
    expect(upTo).toBeGreaterThanOrEqual(other.sequence);
  });

  test("never goes back behind the number that it was asked for", async () => {
    const { list } = givenInstance();

    expect((await list(1_000_000_000_000n)).upTo).toBe(1_000_000_000_000n);
  });

  test("tells sessions with their users, ended ones too, in the order of their changes", async () => {
    const { given, list, end } = givenInstance();
    const ann = await given.user();
    const ended = await given.session({ userId: ann.id });
    const open = await given.session();
    await end(ended);

    const changed = (await list(0n)).sessions;

    expect(changed).toMatchObject([
      { session: open, user: null },
      { session: { id: ended.id, endReason: "logout" }, user: ann },
    ]);
  });

  test("tells only what is in scope", async () => {
    const { given, instanceId } = givenInstance();
    const [ann, bob] = [await given.user(), await given.user()];
    const hers = await given.session({ userId: ann.id });
    await given.session({ userId: bob.id });

    const scope = sessionsOf(instanceId, ann.id);

    expect(idsOf(await listChanges(database.db, scope, { after: 0n, limit: 10 }))).toEqual([hers.id]);
  });

  test.each([
    ["that the pages do not divide", 5, [2, 2, 1]],
    ["that the pages divide", 4, [2, 2, 0]],
  ])("goes through a number of sessions %s", async (_name, count, lengths) => {
    const { given, list } = givenInstance();
    const all: string[] = [];
    for (let i = 0; i < count; i += 1) all.push((await given.session()).id);

    let after = 0n;
    const pages: string[][] = [];
    for (const _length of lengths) {
      const page = await list(after, 2);
      pages.push(idsOf(page));
      after = page.upTo;
    }

    expect(pages.map(({ length }) => length)).toEqual(lengths);
    expect(pages.flat()).toEqual(all);
    expect(idsOf(await list(after, 2))).toEqual([]);
  });

  test("tells a session again that changed between two pages", async () => {
    const { given, list, end } = givenInstance();
    const [one, two, three] = [await given.session(), await given.session(), await given.session()];
    const first = await list(0n, 2);

    await end(one);
    await end(three);
    const second = await list(first.upTo, 2);

    expect([idsOf(first), idsOf(second)]).toEqual([
      [one.id, two.id],
      [one.id, three.id],
    ]);
  });

  test("tells nothing of a session that was erased", async () => {
    const { given, list, instanceId } = givenInstance();
    const erased = await given.session();
    const { upTo } = await list(0n);

    await eraseSessions(database.db, everySessionOf(instanceId), [hasIdIn([erased.id])]);

    expect([idsOf(await list(0n)), idsOf(await list(upTo))]).toEqual([[], []]);
  });

  test.each(["commit", "rollback"] as const)("waits for a change with a lower number until its %s", async (ending) => {
    const { given, instanceId, list } = givenInstance();
    const before = await list(0n);
    const slow = await openTransaction();
    const early = await createGiven({ ...database, db: slow.db }, instanceId).session();
    const late = await given.session();
    expect(late.sequence).toBeGreaterThan(early.sequence);

    const meanwhile = await list(before.upTo);
    await slow[ending]();
    const afterwards = await list(meanwhile.upTo);

    expect(idsOf(meanwhile)).toEqual([]);
    expect(idsOf(afterwards)).toEqual(ending === "commit" ? [early.id, late.id] : [late.id]);
  });

  test("does not wait for a transaction that has changed nothing yet, and tells what it changes later", async () => {
    const { given, instanceId, list } = givenInstance();
    const slow = await openTransaction();
    await slow.db.select().from(sessions).where(eq(sessions.instanceId, instanceId));
    const early = await given.session();

    const meanwhile = await list(0n);
    const late = await createGiven({ ...database, db: slow.db }, instanceId).session();
    await slow.commit();

    expect(idsOf(meanwhile)).toEqual([early.id]);
    expect(idsOf(await list(meanwhile.upTo))).toEqual([late.id]);
  });
});

function idsOf({ sessions }: Awaited<ReturnType<typeof listChanges>>): string[] {
  return sessions.map(({ session }) => session.id);
}
