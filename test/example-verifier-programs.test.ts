import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { JsonObject } from "@bufbuild/protobuf";
import { URI } from "otpauth";
import { describe, expect, onTestFinished, test } from "vitest";
import { readUsers, writeUsers } from "../examples/verifier/users.ts";
import { instantOfMs } from "../src/sessions/instant.ts";
import { createVerifier } from "../src/verifier.ts";

const secret = "0123456789abcdef0123456789abcdef";

describe("the example of a verifier", () => {
  test("makes users, and proves what they were given from then on", async () => {
    const file = await givenFile();
    await writeUsers(file, {});
    const { child, errors } = start("main.ts", [], { VERIFIER_SECRET: secret, PORT: "0", USERS_FILE: file });
    const [line] = await once(child.stdout.setEncoding("utf8"), "data");
    const url = /listens at (http:\S+)\n$/.exec(line)?.[1] ?? "";
    const client = createVerifier({ url, secret, now: () => instantOfMs(Date.now()) });
    const ask = (userId: string, check: JsonObject) =>
      client.check({ instanceId: "default", sessionId: "s1", userId }, check, new AbortController().signal);

    const made = await addUser([file, "ann", "--totp"], "correct horse\n");
    const code = URI.parse(made.stdout.trim()).generate();

    expect(made.stdout).toMatch(/^otpauth:\/\/totp\/Rollcall:ann\?.*\n$/);
    expect(await ask("ann", { password: { password: "correct horse" } })).toMatchObject({ verified: true });
    expect(await ask("ann", { totp: { code } })).toMatchObject({ verified: true });
    expect(await ask("bea", { password: { password: "correct horse" } })).toMatchObject({
      verified: false,
      reason: "wrong",
    });
    child.kill();
    expect([made.stderr, await errors]).toEqual(["", ""]);
  });

  test("keeps of a user what is not given anew, and other users", async () => {
    const file = await givenFile();
    await addUser([file, "ann"], "correct horse\n");
    await addUser([file, "bea", "--totp"], "\n");
    const before = await readUsers(file);

    await addUser([file, "ann", "--totp"], "\n");

    const { ann, bea } = await readUsers(file);
    expect(ann).toEqual({ ...before["ann"], totp: expect.any(String) });
    expect(bea).toEqual({ totp: before["bea"]?.totp });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test.each([
    ["without a user", (file: string) => [file], "secret\n", "usage:"],
    ["without a line", (file: string) => [file, "ann", "--totp"], "", "no line"],
    ["without anything to store", (file: string) => [file, "ann"], "\n", "nothing to store"],
    ["with a password that is too long", (file: string) => [file, "ann"], `${"x".repeat(201)}\n`, "at most 200"],
  ])("stores nothing %s", async (_name, toArgs, input, message) => {
    const file = await givenFile();

    const { code, stderr } = await addUser(toArgs(file), input);

    expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
    await expect(stat(file)).rejects.toThrow("ENOENT");
  });

  test.each([
    ["without a secret", {}, "VERIFIER_SECRET must be"],
    ["with a short secret", { VERIFIER_SECRET: secret.slice(1) }, "VERIFIER_SECRET must be"],
    ["without its users", { VERIFIER_SECRET: secret, USERS_FILE: "/nowhere/users.json" }, "USERS_FILE cannot be read"],
  ])("does not start %s", async (_name, settings, message) => {
    const { errors, ended } = start("main.ts", [], { PORT: "0", ...settings });

    expect([await ended, await errors]).toEqual([[1, null], expect.stringContaining(message)]);
  });
});

/** The name of a file that is not there yet. */
async function givenFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "rollcall-verifier-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, "users.json");
}

/** Starts a program of the example. It is killed after the test. */
function start(program: string, args: string[], settings: Record<string, string> = {}) {
  const path = fileURLToPath(new URL(`../examples/verifier/${program}`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { env: settings });
  onTestFinished(() => void child.kill());
  return { child, errors: text(child.stderr), ended: once(child, "close") };
}

/** Runs add-user to its end. */
async function addUser(args: string[], input: string) {
  const { child, errors, ended } = start("add-user.ts", args);
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), errors, ended]);
  return { stdout, stderr, code };
}
