import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { at, createInstance, type Importer, isAnn, openImporter, toText } from "./support/imports.ts";

const later = "2026-01-02T04:04:05Z";

let importer: Importer;

beforeAll(async () => {
  importer = await openImporter();
});

afterAll(() => importer.close());

describe("an import", () => {
  test.each([
    ["a file", "fromFile"],
    ["standard input", "fromStdin"],
  ] as const)("of %s stores its users and sessions, and says how many", async (_name, run) => {
    const { session, user, instanceId } = createInstance();

    const { summary, stdout, stderr } = await importer[run](
      toText([user(), session("1"), session("2", { factors: isAnn })]),
    );

    expect(stdout).toBe("imported 1 users, 2 sessions; unchanged 0; refused 0\n");
    expect(stderr).toBe("");
    expect(summary).toEqual({ users: 1, sessions: 2, unchanged: 0, refused: 0 });
    expect(await importer.list(instanceId)).toMatchObject([
      { id: "1", creationDate: at, changeDate: at },
      { id: "2", factors: { user: { id: "ann", loginName: "ann@example.com", displayName: "Ann" } } },
    ]);
  });

  test("of nothing stores nothing", async () => {
    expect((await importer.fromFile("")).stdout).toBe("imported 0 users, 0 sessions; unchanged 0; refused 0\n");
  });

  test("of the same file again changes nothing, and says so", async () => {
    const { session, user, instanceId } = createInstance();
    const text = toText([user(), session("1", { factors: isAnn, metadata: { a: "AA==" } }), session("2")]);
    await importer.fromFile(text);
    const before = await importer.list(instanceId);

    const { stdout } = await importer.fromFile(text);

    expect(stdout).toBe("imported 0 users, 0 sessions; unchanged 3; refused 0\n");
    expect(await importer.list(instanceId)).toEqual(before);
  });

  test("changes what is other than it was, under a new sequence", async () => {
    const { session, user, instanceId } = createInstance();
    await importer.fromFile(toText([user(), session("1"), session("2"), session("3")]));
    const before = await importer.list(instanceId);

    const changed = [
      user({ displayName: "Anna" }),
      session("1"),
      session("2", { metadata: { a: "AA==" } }),
      session("3"),
    ];
    const { stdout } = await importer.fromFile(toText(changed));

    expect(stdout).toBe("imported 1 users, 1 sessions; unchanged 2; refused 0\n");
    expect(await userNames(instanceId)).toMatchObject({ display_name: "Anna" });
    expect((await importer.list(instanceId)).map((s) => s["metadata"])).toEqual([undefined, { a: "AA==" }, undefined]);
    const sequences = (await importer.list(instanceId)).map((s) => Number(s["sequence"]));
    const former = before.map((s) => Number(s["sequence"]));
    expect(sequences).toEqual([former[0], expect.any(Number), former[2]]);
    expect(sequences[1]).toBeGreaterThan(Math.max(...former));
  });

  test("changes whatever a session has", async () => {
    const { session, instanceId } = createInstance();
    await importer.fromFile(toText([session("1", { factors: isAnn })]));

    const changes = [
      { changeDate: later },
      { expirationDate: later },
      { creatorId: "login" },
      { endedAt: later },
      { endedAt: later, endReason: "x" },
      { userAgent: { fingerprintId: "" } },
      { userAgent: { ip: "::1" } },
      { userAgent: { description: "x" } },
      { userAgent: { header: { a: {} } } },
      { factors: undefined },
      { factors: { ...isAnn, password: { verifiedAt: at } } },
      { factors: { ...isAnn, webAuthN: { verifiedAt: at } } },
      { factors: { ...isAnn, webAuthN: { verifiedAt: at, userVerified: true } } },
      { factors: { ...isAnn, intent: { verifiedAt: at } } },
      { factors: { ...isAnn, totp: { verifiedAt: at } } },
      { factors: { ...isAnn, otpSms: { verifiedAt: at } } },
      { factors: { ...isAnn, otpEmail: { verifiedAt: at } } },
      { factors: { ...isAnn, recoveryCode: { verifiedAt: at } } },
    ];

    for (const change of changes) {
      const { summary } = await importer.fromFile(
        toText([{ instanceId, session: { ...session("1").session, factors: isAnn, ...change } }]),
      );
      expect(summary, JSON.stringify(change)).toMatchObject({ sessions: 1, unchanged: 0 });
    }
  });

  test("keeps the last of several lines with one id, wherever they are", async () => {
    const { session, instanceId } = createInstance();
    const many = Array.from({ length: 5_000 }, (_, i) => session(`many-${i}`));
    const twice = (metadata: string) => session("twice", { metadata: { a: metadata } });

    const { summary } = await importer.fromFile(toText([twice("AA=="), twice("AQ=="), session("0")]));
    expect(summary).toEqual({ users: 0, sessions: 2, unchanged: 1, refused: 0 });
    expect((await importer.list(instanceId)).map((s) => s["metadata"])).toEqual([undefined, { a: "AQ==" }]);

    await importer.fromFile(toText([twice("Ag=="), ...many, twice("Aw=="), ...many, twice("BA==")]));
    expect((await importer.list(instanceId)).find((s) => s["id"] === "twice")).toMatchObject({
      metadata: { a: "BA==" },
    });
  });

  test("counts every line once, in however many batches", async () => {
    const { session } = createInstance();
    const many = Array.from({ length: 9_000 }, (_, i) => session(randomUUID(), i % 2 ? { factors: isAnn } : {}));

    expect((await importer.fromStdin(toText(many))).summary).toEqual({
      users: 1,
      sessions: 9_000,
      unchanged: 0,
      refused: 0,
    });
    expect((await importer.fromFile(toText(many))).summary).toEqual({
      users: 0,
      sessions: 0,
      unchanged: 9_000,
      refused: 0,
    });
  });

  test("keeps instances apart", async () => {
    const one = createInstance();
    const other = createInstance();

    const { summary } = await importer.fromFile(
      toText([
        one.session("1", { factors: isAnn }),
        other.session("1"),
        one.user(),
        other.user({ displayName: "Other" }),
      ]),
    );

    expect(summary).toMatchObject({ users: 2, sessions: 2 });
    expect(await importer.list(one.instanceId)).toMatchObject([{ id: "1", factors: { user: { displayName: "Ann" } } }]);
    expect(await importer.list(other.instanceId)).toEqual([
      expect.not.objectContaining({ factors: expect.anything() }),
    ]);
  });
});

describe("the user of a session", () => {
  test("is stored if they are unknown, under the name they sign in with", async () => {
    const { session, instanceId } = createInstance();
    const named = { user: { ...isAnn.user, displayName: "Other" } };

    const { summary } = await importer.fromFile(
      toText([session("1", { factors: isAnn }), session("2", { factors: named })]),
    );

    expect(summary).toEqual({ users: 1, sessions: 2, unchanged: 0, refused: 0 });
    expect(await userNames(instanceId)).toEqual({
      login_name: "a@old.com",
      display_name: "A.",
      user_name: "a@old.com",
    });
  });

  test("stays as they are if they are known", async () => {
    const { session, user, instanceId } = createInstance();
    await importer.fromFile(toText([user()]));

    const { summary } = await importer.fromFile(toText([session("1", { factors: isAnn })]));

    expect(summary).toEqual({ users: 0, sessions: 1, unchanged: 0, refused: 0 });
    expect(await userNames(instanceId)).toMatchObject({ display_name: "Ann" });
  });

  test.each(["before", "after"])("is as their own line says, also %s it", async (order) => {
    const { session, user, instanceId } = createInstance();
    const records = [session("1", { factors: isAnn }), user()];

    const { summary } = await importer.fromFile(toText(order === "before" ? records : records.toReversed()));

    expect(summary).toEqual({ users: 1, sessions: 1, unchanged: 0, refused: 0 });
    expect(await userNames(instanceId)).toMatchObject({ display_name: "Ann" });
  });
});

describe("the progress", () => {
  test.each([
    ["a file", "fromFile", /100% \| 3 lines \| 1 refused/],
    ["standard input", "fromStdin", /3 lines \| 1 refused/],
  ] as const)("of %s is shown on a terminal", async (_name, run, shown) => {
    const { session } = createInstance();
    const text = `${toText([session("1")])}x\n${toText([session("2")])}`;

    const { stdout, stderr } = await importer[run](text, { isTTY: true });

    expect(stdout).toBe("imported 0 users, 2 sessions; unchanged 0; refused 1\n");
    expect(stderr).toMatch(shown);
    expect(stderr).toMatch(/line 2: the line is not JSON.*\n/);
    // DECRC: it would take the cursor back to before that line.
    expect(stderr).not.toContain("\x1b8");
  });
});

async function userNames(instanceId: string): Promise<unknown> {
  const [user] = await importer.database.client`
    select login_name, display_name, user_name from users where instance_id = ${instanceId} and id = 'ann'`;
  return user && { ...user };
}
