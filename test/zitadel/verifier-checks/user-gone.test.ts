import { afterAll, afterEach, describe, expect, test } from "vitest";
import { everySessionOf } from "../../../src/sessions/access.ts";
import { erasePerson } from "../../../src/sessions/person.ts";
import { now } from "../../support/given.ts";
import { openImporter, toText } from "../../support/imports.ts";
import { startTestVerifier } from "../../support/verifier.ts";
import { startChecking, totp, withUser } from "./checks.ts";

const verifier = await startTestVerifier();
const checking = await startChecking(verifier);
const importer = await openImporter();
afterAll(async () => {
  await importer.close();
  await checking.close();
  await verifier.close();
});
const { server, login } = checking;

const usual = verifier.answer;
afterEach(() => {
  verifier.answer = usual;
});

const { instanceId, database } = server;
const bring = (user: object) => importer.fromStdin(toText([{ instanceId, user }]));

describe.each<[string, (id: string) => Promise<unknown>]>([
  ["disabled", (id) => bring({ id, organizationId: "org-1", state: "inactive" })],
  ["deleted", (id) => bring({ id, deleted: true })],
  ["erased", (id) => erasePerson(database.db, everySessionOf(instanceId), id, now)],
])("while the verifier takes its time the user may be %s", (_name, remove) => {
  test("and no session of theirs is then opened", async () => {
    const { id: userId } = await server.given.user();
    whileAsked(userId);

    await login.failure("CreateSession", withUser(userId, { checks: totp }));

    expect((await checking.rows()).filter((row) => row.userId === userId)).toEqual([]);
  });

  test("and no session becomes theirs", async () => {
    const { id: userId } = await server.given.user();
    const { sessionId } = await login.create();
    whileAsked(userId);

    await login.failure("SetSession", { sessionId, ...withUser(userId, { checks: totp }) });

    expect((await checking.rows()).filter((row) => row.userId === userId)).toEqual([]);
  });

  function whileAsked(userId: string): void {
    verifier.answer = async () => {
      await remove(userId);
      return { verified: true };
    };
  }
});
