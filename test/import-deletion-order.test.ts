import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { createImportedRows, deletion, ofBob, past } from "./support/imported-rows.ts";
import { at, createInstance, isAnn, openImporter, toText } from "./support/imports.ts";

const long = "2026-01-03T00:00:00Z";

const importer = await openImporter();
afterAll(() => importer.close());
const { findAll, findSessions, findUsers } = createImportedRows(importer);

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
