import { randomUUID } from "node:crypto";
import { and, eq, inArray } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { sessions } from "../../src/sessions/schema.ts";
import { testDatabaseUrl } from "../support/database.ts";
import { now } from "../support/given.ts";
import { idsOf, type KratosAnswer, linksOf, startKratosServer } from "../support/kratos.ts";

// Without indexes rows come as they lie: with them, the order would be right even if nobody asked for it.
const unindexed = new URL(testDatabaseUrl());
for (const name of ["indexscan", "indexonlyscan", "bitmapscan"]) unindexed.searchParams.set(`enable_${name}`, "off");
const server = await startKratosServer({ databaseUrl: unindexed.href });
afterAll(() => server.close());
const { ask, signIn, database, instanceId } = server;

// Few moments, so that many sessions are created at once. Ids of few letters, so that their order is a matter of bytes.
const moment = fc.integer({ min: 0, max: 3 }).map((n) => now - BigInt(n));
const id = fc.string({ unit: fc.constantFrom("a", "B", "1", "/", "ä"), minLength: 1, maxLength: 6 });
const row = fc.record({ id, createdAt: moment, endedAt: fc.option(fc.constant(now), { freq: 3 }) });
const rows = (maxLength: number) => fc.uniqueArray(row, { maxLength, selector: ({ id }) => id });
type Row = { id: string; createdAt: bigint; endedAt: bigint | null };
const size = fc.integer({ min: 1, max: 6 });

describe("GET /sessions", () => {
  test("shows every session once, in order, from whichever end one follows the links", async () => {
    await fc.assert(
      fc.asyncProperty(rows(14), size, fc.boolean(), async (rows, size, isLegacy) => {
        // The current one is created among the others.
        const ann = await signIn({}, { createdAt: now - 1n });
        const stored = await store(rows, ann.user.id);
        const expected = inOrder(stored.filter(({ endedAt }) => endedAt === null));

        const first = await ask("GET", `/sessions?${isLegacy ? "per_page" : "page_size"}=${size}`, ann);
        const pages = await follow(first, "next", ann.headers);
        const last = linksOf(first)["last"];
        const atEnd = last === undefined ? first : await ask("GET", last, ann);
        const back = await follow(atEnd, "prev", ann.headers);

        expect(pages.flatMap(idsOf)).toEqual(expected);
        expect(back.toReversed().flatMap(idsOf)).toEqual(expected);
        expect(idsOf(atEnd)).toEqual(idsOf(pages.at(-1) ?? first));
        expect(pages).toHaveLength(Math.max(Math.ceil(expected.length / size), 1));
        for (const { headers } of [...pages, ...back]) expect(headers.get("x-total-count")).toBe(`${expected.length}`);
      }),
      { numRuns: 60 },
    );
  });

  test("shows on page and offset what is there, however far that is", async () => {
    const ann = await signIn();
    const expected = inOrder(await store(fc.sample(row, { numRuns: 40, seed: 1 }), ann.user.id, { endedAt: null }));
    await fc.assert(
      fc.asyncProperty(fc.nat(60), size, async (offset, size) => {
        const token = Buffer.from(`{"offset":"${offset}","v":2}`).toString("base64url");
        const page = Math.floor(offset / size);

        const byToken = await ask("GET", `/sessions?page_size=${size}&page_token=${token}`, ann);
        const byPage = await ask("GET", `/sessions?per_page=${size}&page=${page}`, ann);

        expect(idsOf(byToken)).toEqual(expected.slice(page * size, page * size + size));
        expect([byToken.text, byToken.headers.get("link")]).toEqual([byPage.text, byPage.headers.get("link")]);
      }),
      { numRuns: 60 },
    );
  });
});

describe("GET /admin/sessions", () => {
  let headers: { authorization: string };
  beforeEach(async () => {
    headers = await server.manager("session.read");
  });

  // What happens between two pages: sessions are created, ended, and erased.
  const change = fc.record({
    created: rows(3),
    ended: fc.array(fc.nat(30), { maxLength: 3 }),
    erased: fc.array(fc.nat(30), { maxLength: 2 }),
  });

  test("shows every session that is there throughout once, in order, whatever happens between the pages", async () => {
    const plan = fc.array(change, { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(rows(20), size, plan, fc.boolean(), async (rows, size, changes, isActiveOnly) => {
        await database.db.delete(sessions).where(eq(sessions.instanceId, instanceId));
        const stored = await store(rows);
        const gone = new Set<string>();
        const seen: string[] = [];
        const idAt = (n: number) => stored[n % stored.length]?.id ?? "";

        let path: string | undefined = `/admin/sessions?page_size=${size}${isActiveOnly ? "&active=true" : ""}`;
        for (let i = 0; path !== undefined; i += 1) {
          const page: KratosAnswer = await ask("GET", path, { headers });
          seen.push(...idsOf(page));
          path = linksOf(page)["next"];
          const { created = [], ended = [], erased = [] } = changes[i] ?? {};
          await store(created.map((row) => ({ ...row, id: `${row.id}-${randomUUID()}` })));
          await end(ended.map(idAt));
          await erase(erased.map(idAt));
          for (const id of [...(isActiveOnly ? ended : []), ...erased].map(idAt)) gone.add(id);
        }

        const there = stored.filter(({ id, endedAt }) => !gone.has(id) && !(isActiveOnly && endedAt !== null));
        const expected = inOrder(there);
        expect(seen.filter((id) => expected.includes(id))).toEqual(expected);
        expect(new Set(seen).size).toBe(seen.length);
      }),
      { numRuns: 60 },
    );
  });
});

/** Stores sessions, whose ids get a prefix so that no two runs share any. */
async function store(rows: readonly Row[], userId?: string, more: { endedAt?: null } = {}): Promise<Row[]> {
  const prefix = randomUUID();
  const stored = [...new Map(rows.map((row) => [row.id, { ...row, id: `${prefix}-${row.id}`, ...more }])).values()];
  const isOfUser = userId === undefined ? {} : { userId, organizationId: "org-1", userCheckedAt: now };
  const values = stored.map((row) => ({ instanceId, changedAt: now, ...row, ...isOfUser }));
  if (values.length > 0) await database.db.insert(sessions).values(values);
  return stored;
}

async function end(ids: string[]): Promise<void> {
  await database.db.update(sessions).set({ endedAt: now }).where(areAmong(ids));
}

async function erase(ids: string[]): Promise<void> {
  await database.db.delete(sessions).where(areAmong(ids));
}

function areAmong(ids: string[]) {
  return and(eq(sessions.instanceId, instanceId), inArray(sessions.id, ids));
}

/** Newest first, then by the bytes of the id, the higher one first. */
function inOrder(rows: readonly Row[]): string[] {
  const compare = (a: Row, b: Row) =>
    Number(b.createdAt - a.createdAt) || Buffer.compare(Buffer.from(b.id), Buffer.from(a.id));
  return rows.toSorted(compare).map(({ id }) => id);
}

async function follow(
  first: KratosAnswer,
  rel: "next" | "prev",
  headers: Record<string, string>,
): Promise<KratosAnswer[]> {
  const pages = [first];
  for (let link = linksOf(first)[rel]; link !== undefined; ) {
    const page = await ask("GET", link, { headers });
    pages.push(page);
    // A list of this test is never that long: the links run in a circle.
    if (pages.length > 50) throw new Error(`${rel} never ends`);
    link = linksOf(page)[rel];
  }
  return pages;
}
