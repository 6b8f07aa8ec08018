import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { PassThrough, Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { hashToken } from "../src/auth/token.ts";
import { runExport } from "../src/commands/export.ts";
import { openTestDatabase, testDatabaseUrl } from "./support/database.ts";
import { exportFrom, sessionsOfEveryKind, token } from "./support/exports.ts";
import { createGiven, now } from "./support/given.ts";
import { type OpenServer, openServer } from "./support/open-server.ts";
import { startCommand } from "./support/rollcall.ts";

describe("an export", () => {
  test("is of one person, oldest session first, and never holds a token or its hash", async () => {
    await using origin = await openServer();
    const { given, instanceId } = origin;
    await given.user({ id: "ann" });
    await given.user({ id: "bob" });
    await given.session({ id: "new", userId: "ann", createdAt: now, tokenHash: hashToken(token) });
    await given.session({ id: "b", userId: "ann", createdAt: now - 1n });
    await given.session({ id: "a", userId: "ann", createdAt: now - 1n });
    await given.session({ id: "of bob", userId: "bob", creatorId: "ann" });
    await createGiven(origin.database, randomUUID()).session({ id: "elsewhere", userId: "ann" });

    const lines = await exportFrom(origin, "ann");

    const records = lines
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(records.map(({ user, session }) => (user ?? session).id)).toEqual(["ann", "a", "b", "new"]);
    expect(new Set(records.map((record) => record.instanceId))).toEqual(new Set([instanceId]));
    for (const encoding of ["hex", "base64", "latin1"] as const) {
      expect(lines).not.toContain(hashToken(token).toString(encoding));
    }
  });

  test("has every session once, on however many pages, also of those created at once", async () => {
    await using origin = await openServer();
    const ids = Array.from({ length: 650 }, (_, i) => `s${String(i).padStart(3, "0")}`);
    for (const id of ids) await origin.given.session({ id, userId: "ann", createdAt: now });

    const lines = await exportFrom(origin, "ann");

    expect(lines.match(/(?<="session":\{"id":")s\d+/g)).toEqual(ids);
  });

  test("is empty of somebody unknown, which is no failure", async () => {
    const { code, stdout, stderr } = await startExport({ user: "nobody", instanceId: randomUUID() }).ended;

    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("is what the command prints", async () => {
    await using origin = await openServer();
    await origin.given.user({ id: "ann", displayName: "Änn" });
    for (const session of sessionsOfEveryKind()) await origin.given.session({ userId: "ann", ...session });

    const { code, stdout } = await startExport({ user: "ann", instanceId: origin.instanceId }).ended;

    expect(code).toBe(0);
    expect(stdout).toBe(await exportFrom(origin, "ann"));
  });

  test("needs to know of whom", async () => {
    const { code, stderr } = await startCommand(["export"]).ended;

    expect(code).toBe(1);
    expect(stderr).toMatch("required option '--user <id>' not specified");
  });

  test("takes no empty id for one", async () => {
    const { code, stdout, stderr } = await startCommand(["export", "--user", ""]).ended;

    expect([code, stdout, stderr]).toEqual([1, "", "rollcall: --user must not be empty\n"]);
  });

  test("ends without a word if nobody reads on", async () => {
    await using origin = await openServer();
    await givenLargeSessions(origin, 650);

    const { child, ended } = startExport({ user: "ann", instanceId: origin.instanceId });
    await once(child.stdout ?? child, "data");
    child.stdout?.destroy();

    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });

  test("reads no further than somebody takes it", async () => {
    await using origin = await openServer();
    await givenLargeSessions(origin, 650);
    const taken: string[] = [];
    const [first, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow = new Writable({
      async write(chunk, _encoding, done) {
        taken.push(String(chunk));
        first.resolve();
        await goOn.promise;
        done();
      },
    });

    const exported = runExport(origin.database.db, origin.instanceId, "ann", slow);
    await first.promise;
    await origin.database.client`delete from sessions where instance_id = ${origin.instanceId}`;
    goOn.resolve();
    await exported;

    // No more than the first page had been read.
    expect(taken.length).toBeGreaterThan(0);
    expect(taken.length).toBeLessThan(400);
  });

  test("fails if the database does", async () => {
    await using origin = await openServer();
    const closed = openTestDatabase();
    await closed.close();

    await expect(runExport(closed.db, origin.instanceId, "ann", new PassThrough())).rejects.toThrow();
  });
});

async function givenLargeSessions({ given }: OpenServer, count: number): Promise<void> {
  const metadata = { a: Buffer.alloc(3_000).toString("base64") };
  for (let i = 0; i < count; i += 1) await given.session({ userId: "ann", metadata });
}

function startExport({ user, instanceId }: { user: string; instanceId: string }) {
  return startCommand(["export", "--user", user], { DATABASE_URL: testDatabaseUrl(), INSTANCE_ID: instanceId });
}
