import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { describe, expect, onTestFinished, test } from "vitest";
import { isSigned } from "../examples/verifier/signature.ts";
import { RequestChallengesSchema } from "../gen/zitadel/session/v2/challenge_pb.ts";
import { ChecksSchema } from "../gen/zitadel/session/v2/session_service_pb.ts";
import { instantOfMs } from "../src/sessions/instant.ts";
import { createVerifier } from "../src/verifier.ts";
import { readStarted, readVerdict } from "../src/verifier-answer.ts";

const page = await readFile(new URL("../docs/verifier.md", import.meta.url), "utf8");
const secret = "0123456789abcdef0123456789abcdef";

describe("docs/verifier.md", () => {
  test("shows a request with the signature that it has", () => {
    const [head = "", body = ""] = (codeOf("http")[0] ?? "").split("\n\n").map((part) => part.trim());
    const [, signature, seconds] = /^Rollcall-Signature: (t=(\d+),.*)$/m.exec(head) ?? [];

    expect(isSigned(signature, Buffer.from(body), { secret, nowMs: Number(seconds) * 1_000 })).toBe(true);
    expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}`);
  });

  test("shows every check, in the order in which they are asked, as it is sent", () => {
    const checks = rowsOf("check").map(([check = ""]) => JSON.parse(check));

    for (const check of checks) expect(toJson(ChecksSchema, fromJson(ChecksSchema, check))).toEqual(check);
    const order = ["password", "idpIntent", "webAuthN", "totp", "otpSms", "otpEmail", "recoveryCode"];
    expect(checks.flatMap((check) => Object.keys(check))).toEqual(order);
    expect(page).toContain(`Checks: ${order.map((name) => `\`${name}\``).join(", ")}.`);
    expect([...order, "user"].toSorted()).toEqual(ChecksSchema.fields.map((field) => field.jsonName).toSorted());
  });

  test("shows every challenge as it is sent, with an answer that is taken as it is", () => {
    const rows = rowsOf("challenge").map((cells) => ({
      asked: JSON.parse(cells.at(0) ?? "") as JsonObject,
      answer: JSON.parse(cells.at(-1) ?? "") as JsonObject,
    }));

    for (const { asked, answer } of rows) {
      expect(toJson(RequestChallengesSchema, fromJson(RequestChallengesSchema, asked))).toEqual(asked);
      expect(readStarted(JSON.stringify(answer), asked)).toEqual(answer);
    }
    const names = new Set(rows.flatMap(({ asked }) => Object.keys(asked)));
    expect([...names]).toEqual(RequestChallengesSchema.fields.map((field) => field.jsonName));
  });

  test("shows verdicts that are taken as they are, and every reason", () => {
    const verdicts = codeOf("json");

    expect(verdicts.map((text) => ({ ...readVerdict(text) }))).toEqual(verdicts.map((text) => JSON.parse(text)));
    const reasons = rowsOf("reason").map(([reason]) => reason);
    expect(reasons).toEqual(["wrong", "locked", "not_set_up", "expired"]);
    for (const reason of reasons) {
      expect(readVerdict(JSON.stringify({ verified: false, reason }))).toMatchObject({ reason, failedAttempts: 0 });
    }
  });

  test("has a whole verifier in at most 50 lines, which proves passwords and locks those who guess", async () => {
    const [program = ""] = codeOf("js");
    expect(program.split("\n").length).toBeLessThanOrEqual(50);
    const url = await run(program);
    const check = (userId: string, password: string, key = secret) =>
      createVerifier({ url, secret: key, now: () => instantOfMs(Date.now()) })
        .check({ instanceId: "i", sessionId: "s", userId }, { password: { password } }, new AbortController().signal)
        .catch((error) => error.cause.message);
    const ann = "318838664434515976";

    expect(await check(ann, "correct horse")).toEqual({ verified: true, userVerified: false });
    for (const user of [ann, "nobody"]) {
      for (const failedAttempts of [1, 2, 3, 4, 5]) {
        expect(await check(user, "guess")).toEqual({ verified: false, reason: "wrong", failedAttempts });
      }
      expect(await check(user, "correct horse")).toEqual({ verified: false, reason: "locked", failedAttempts: 5 });
    }
    expect(await check(ann, "correct horse", "another")).toMatch("its status is 401");
  });
});

/** The code blocks in this language. */
function codeOf(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)\\n\`\`\`$`, "gms"))].map(([, code = ""]) => code);
}

/** The code in each cell of the table whose first column has this name. */
function rowsOf(name: string): string[][] {
  const [, rows = ""] = new RegExp(`^\\| \`${name}\` \\|.*\\n\\|[-|]+\\n((?:\\|.*\\n)+)`, "m").exec(page) ?? [];
  return rows
    .trim()
    .split("\n")
    .map((row) => row.split(" | ").flatMap((cell) => /`(.+?)`/.exec(cell)?.[1] ?? []));
}

/** Runs the program until the test is finished; resolves with its URL. */
async function run(program: string): Promise<string> {
  const env = { ...process.env, VERIFIER_SECRET: secret, PORT: "0" };
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { env });
  onTestFinished(async () => {
    child.kill();
    if (child.exitCode === null) await once(child, "exit");
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, "line"), once(child, "exit").then(() => ["it ended"])]);
  return `http://127.0.0.1:${/^listening on port (\d+)$/.exec(line)?.[1]}`;
}
