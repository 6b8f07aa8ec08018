import { afterAll, describe, expect, test } from "vitest";
import { createImportedRows, past } from "./support/imported-rows.ts";
import { at, createInstance, openImporter, toText } from "./support/imports.ts";

const importer = await openImporter();
afterAll(() => importer.close());
const { findSessions, findUsers } = createImportedRows(importer);

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
