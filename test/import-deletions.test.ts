import { sql } from "drizzle-orm";
import { afterAll, describe, expect, test } from "vitest";
import { everySessionOf } from "../src/sessions/access.ts";
import { holdUser } from "../src/sessions/users.ts";
import { waitUntilBlockedBy } from "./support/database.ts";
import { createImportedRows, deletion, ofBob, past, type Row } from "./support/imported-rows.ts";
import { createInstance, isAnn, openImporter, toText } from "./support/imports.ts";

const importer = await openImporter();
afterAll(() => importer.close());
const { findAll, findApiTokens, findSessions, findUsers, givenApiTokens } = createImportedRows(importer);

const noNames = {
  user_name: "",
  login_name: "",
  display_name: "",
  avatar_url: "",
  traits: null,
  metadata_public: null,
  available_aal: null,
};

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

function highestSequence(sessions: Record<string, Row>): number {
  return Math.max(...Object.values(sessions).map(({ sequence }) => Number(sequence)));
}
