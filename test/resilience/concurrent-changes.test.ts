import fc from "fast-check";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { hour, minute, now } from "../support/given.ts";
import { startTwins } from "../support/twins.ts";
import {
  type Answer,
  type Asks,
  type Change,
  expectToBePartOf,
  failures,
  highest,
  replay,
  toSeen,
  toWritten,
} from "./history.ts";
import { createRequests } from "./session-requests.ts";

// What happens later on the second server can have happened earlier by its clock.
const clocks = [now, now - minute] as const;
const userIds = ["ann", "bob"] as const;
// The most that the pools of both servers let wait for one row.
const mostWaiting = 8;

let testDatabase: TestDatabase;
let locker: postgres.Sql;
let twins: Awaited<ReturnType<typeof startTwins>>;
let requests: Awaited<ReturnType<typeof createRequests>>;
beforeAll(async () => {
  testDatabase = await createTestDatabase();
  locker = postgres(testDatabase.url, { max: 1 });
  twins = await startTwins([() => clocks[0], () => clocks[1]], testDatabase.url);
  requests = await createRequests(twins.servers, clocks);
  for (const id of userIds) await twins.servers[0].given.user({ id });
});
afterAll(async () => {
  await twins.close();
  await locker.end();
  await testDatabase.drop();
});

describe("fifty requests for one session at once", () => {
  test("take turns to change it: each starts from what the one before left, and only the last token is good", async () => {
    const created = await requests.create();

    const answers = await atOnce(created, 50, (i) => requests.set(created, i, changeOf(i)));

    const states = replay(created, answers.flatMap(toWritten));
    expect(states).toHaveLength(51);
    expect(await requests.get(created, 0)).toEqual(toSeen(states.at(-1)));
    const opened = await Promise.all(states.map(({ token }) => requests.get(created, 0, token)));
    expect(opened.map(isGood)).toEqual(states.map((_, i) => i === 50));
  });

  test("end it once: nothing changes it after that, and who comes too late is told so", async () => {
    const created = await requests.create();
    const isEnd = (i: number) => i >= 10 && i % 8 === 0;

    const answers = await atOnce(created, 50, (i) =>
      isEnd(i) ? requests.end(created, i) : requests.set(created, i, changeOf(i)),
    );

    const [first, ...others] = answers.filter((_, i) => isEnd(i)).flatMap(toWritten);
    if (first === undefined) throw new Error("nothing ended the session");
    expect(others).toEqual([first, first, first, first]);
    const changes = answers.filter((_, i) => !isEnd(i)).flatMap(toWritten);
    const states = replay(created, [...changes, first]);
    expect(states.at(-1)?.isEnded).toBe(true);
    const late = answers.filter((answer) => !isGood(answer));
    expect(late).toEqual(Array.from({ length: 45 - changes.length }, () => failures.ended));
    expect(late).not.toEqual([]);
    // Each of its tokens was void when the next one came, and the last one ends it again.
    const again = await Promise.all(states.slice(0, -1).map(({ token }) => requests.end(created, 0, token)));
    expect(again.map(isGood)).toEqual(again.map((_, i) => i === changes.length));
  });
});

test("of two users that a session is given at once it takes one, and the other is refused", async () => {
  for (let run = 0; run < 5; run += 1) {
    const created = await requests.create();

    const answers = await atOnce(created, 2, (i) => requests.set(created, i, { metadata: {}, userId: userIds[i] }));

    expect(answers.filter((answer) => answer === failures.otherUser)).toHaveLength(1);
    const states = replay(created, answers.flatMap(toWritten));
    expect(states).toHaveLength(2);
    expect(await requests.get(created, 0)).toEqual(toSeen(states.at(-1)));
  }
});

// Few values each, so that requests meet.
const change = fc.record({
  metadata: fc.dictionary(fc.constantFrom("a", "b"), fc.constantFrom("", "1", "2"), { maxKeys: 2 }),
  lifetime: fc.option(fc.constantFrom(hour, 2n * hour), { nil: undefined }),
  userId: fc.option(fc.constantFrom(...userIds), { nil: undefined, freq: 2 }),
});
const command = fc.record({
  server: fc.nat({ max: 1 }),
  asks: fc.oneof(
    { weight: 5, arbitrary: change },
    { weight: 3, arbitrary: fc.constant("get" as const) },
    { weight: 1, arbitrary: fc.constant("end" as const) },
  ),
});
const turns = fc.array(fc.array(command, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 });

test("whatever is asked of a session at once and in turns, the answers tell one history", async () => {
  await fc.assert(
    fc.asyncProperty(turns, async (turns) => {
      const created = await requests.create();
      const answered: { asks: Asks; answer: Answer }[][] = [];
      for (const commands of turns) {
        const answering = commands.map(async ({ server, asks }) => {
          return { asks, answer: await requests.ask(created, server, asks) };
        });
        answered.push(await Promise.all(answering));
      }

      const all = answered.flat();
      const ends = all.filter(({ asks }) => asks === "end").flatMap(({ answer }) => toWritten(answer));
      expect(ends).toEqual(ends.map(() => ends[0]));
      const changes = all.filter(({ asks }) => asks !== "end").flatMap(({ answer }) => toWritten(answer));
      const states = replay(created, [...changes, ...ends.slice(0, 1)]);
      const last = states.at(-1);
      expect(await requests.get(created, 0)).toEqual(last?.isEnded ? failures.unknown : toSeen(last));
      answered.reduce((settled, turn) => {
        for (const { asks, answer } of turn) expectToBePartOf(states, asks, answer, settled);
        return highest(
          settled,
          turn.map(({ answer }) => answer),
        );
      }, created.sequence);
    }),
    { numRuns: 40 },
  );
});

/** Sends `count` requests, and holds the session's row until as many of them wait for it as can. */
async function atOnce({ id }: { id: string }, count: number, send: (i: number) => Promise<Answer>): Promise<Answer[]> {
  const { answers } = await locker.begin(async (sql) => {
    await sql`select from sessions where id = ${id} for update`;
    const answers = Promise.all(Array.from({ length: count }, (_, i) => send(i)));
    answers.catch(() => {});
    await vi.waitFor(async () => expect(await testDatabase.countQueries()).toBe(Math.min(count, mostWaiting)), {
      timeout: 10_000,
      interval: 20,
    });
    return { answers };
  });
  return await answers;
}

/** Changes that overwrite, add and take away keys of one another's. */
function changeOf(i: number): Change {
  const metadata = { last: String(i), [`key-${i % 5}`]: i % 4 === 0 ? "" : String(i) };
  return { metadata, lifetime: i % 3 === 0 ? hour * BigInt(i + 1) : undefined };
}

function isGood(answer: Answer): boolean {
  return typeof answer === "object";
}
