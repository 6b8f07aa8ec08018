import { afterAll, afterEach, describe, expect, test } from "vitest";
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

describe.each([
  ["disabled", (id: string) => ({ id, organizationId: "org-1", state: "inactive" })],
  ["deleted", (id: string) => ({ id, deleted: true })],
])("while the verifier takes its time the user may be %s", (_name, toLine) => {
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
      await importer.fromStdin(toText([{ instanceId: server.instanceId, user: toLine(userId) }]));
      return { verified: true };
    };
  }
});
