import type { JsonObject } from "@bufbuild/protobuf";
import { TOTP } from "otpauth";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { hashPassword, isPassword } from "../examples/verifier/password.ts";
import { type ExampleVerifierOptions, startExampleVerifier } from "../examples/verifier/server.ts";
import { createTotpSecret, findStep } from "../examples/verifier/totp.ts";
import type { User } from "../examples/verifier/users.ts";
import { instantOfMs } from "../src/sessions/instant.ts";
import { createVerifier } from "../src/verifier.ts";

vi.mock("../examples/verifier/password.ts", { spy: true });

const secret = "0123456789abcdef0123456789abcdef";
const stepMs = 30_000;
// In the middle of a step.
const nowMs = Date.parse("2026-03-01T12:00:15Z");
const proven = { verified: true, userVerified: false };
const notSetUp = { verified: false, reason: "not_set_up", failedAttempts: 0 };
const never = new AbortController().signal;
const { secret: totpSecret } = createTotpSecret("ann");

let ann: User;
beforeAll(async () => {
  ann = { password: await hashPassword("correct horse"), totp: totpSecret };
});

describe("a password", () => {
  test("is proven if it is right, and only then", async () => {
    const { password } = await givenVerifier();

    expect(await password("correct horse")).toEqual(proven);
    expect(await password("Correct horse")).toEqual(wrong(1));
    expect(await password("")).toEqual(wrong(2));
  });

  test("that is right makes the failures before forgotten", async () => {
    const { password } = await givenVerifier({ maxAttempts: 2 });

    for (const _round of [1, 2]) {
      expect(await password("guess")).toEqual(wrong(1));
      expect(await password("correct horse")).toEqual(proven);
    }
  });

  test("is not looked at after five failures, even if it is right", async () => {
    const { password, code } = await givenVerifier();

    for (const failedAttempts of [1, 2, 3, 4, 5]) expect(await password("guess")).toEqual(wrong(failedAttempts));

    expect(await password("correct horse")).toEqual(locked(5));
    expect(await code(codeAt(0))).toEqual(locked(5));
    expect(await password("correct horse", "bea")).toEqual(proven);
  });

  test("cannot be guessed more often all at once", async () => {
    const { password } = await givenVerifier({ maxAttempts: 3 });

    const verdicts = await Promise.all(Array.from({ length: 8 }, () => password("guess")));

    expect(verdicts).toEqual([wrong(1), wrong(2), wrong(3), ...Array(5).fill(locked(3))]);
  });

  test("of an unknown user is hashed, wrong and counted like a known one's", async () => {
    const { password } = await givenVerifier({ maxAttempts: 1 });
    const hashed = vi.mocked(isPassword).mock.calls;
    hashed.length = 0;

    for (const user of ["ann", "nobody", "__proto__", "toString"]) {
      expect(await password("guess", user)).toEqual(wrong(1));
      expect(await password("guess", user)).toEqual(locked(1));
    }

    const costs = hashed.map(([, encoded]) => encoded.split("$", 4).join("$"));
    expect(costs).toEqual(Array(4).fill("$argon2id$v=19$m=19456,t=2,p=1"));
  });

  test("that was hashed elsewhere is read", async () => {
    // Of the reference implementation's tests.
    const encoded = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    expect(await isPassword("password", encoded)).toBe(true);
    expect(await isPassword("differentpassword", encoded)).toBe(false);
    await expect(isPassword("password", encoded.replace("argon2id", "argon2i"))).rejects.toThrow("not of argon2id");
  });
});

describe("a code", () => {
  test.each([
    ["of two steps ago", -2, wrong(1)],
    ["of the step before", -1, proven],
    ["of now", 0, proven],
    ["of the step after", 1, proven],
    ["of the step after that", 2, wrong(1)],
  ])("%s", async (_name, steps, verdict) => {
    const { code } = await givenVerifier();

    expect(await code(codeAt(steps))).toEqual(verdict);
  });

  test("counts once, and makes those before it worthless", async () => {
    const { code } = await givenVerifier();

    expect(await code(codeAt(0))).toEqual(proven);
    expect(await code(codeAt(0))).toEqual(wrong(1));
    expect(await code(codeAt(-1))).toEqual(wrong(2));
    expect(await code(codeAt(1))).toEqual(proven);
  });

  test("counts once if it comes several times at once", async () => {
    const { code } = await givenVerifier();

    const verdicts = await Promise.all([1, 2, 3].map(() => code(codeAt(0))));

    expect(verdicts).toEqual([proven, wrong(1), wrong(2)]);
  });

  test("cannot be guessed without end by who knows the password", async () => {
    const { password, code } = await givenVerifier({ maxAttempts: 2 });

    for (const failedAttempts of [1, 2]) {
      expect(await password("correct horse")).toEqual(proven);
      expect(await code("000000")).toEqual(wrong(failedAttempts));
    }

    expect(await code(codeAt(0))).toEqual(locked(2));
    expect(await password("correct horse")).toEqual(locked(2));
  });

  test("is that of RFC 6238, appendix B", () => {
    // The secret there in Base32, and the last six of the eight digits.
    const rfcSecret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    expect(findStep(rfcSecret, "287082", 59_000)).toBe(1);
    expect(findStep(rfcSecret, "081804", 1_111_111_109_000)).toBe(37_037_036);
  });
});

describe("what is not set up", () => {
  test.each<[string, string, JsonObject]>([
    ["a password of who has none", "cem", { password: { password: "guess" } }],
    ["a code of who has no app", "bea", { totp: { code: "123456" } }],
    ["a code of nobody", "nobody", { totp: { code: "123456" } }],
    ["a code by SMS", "ann", { otpSms: { code: "123456" } }],
    ["a recovery code", "ann", { recoveryCode: { code: "123456" } }],
    ["a passkey", "ann", { webAuthN: { credentialAssertionData: {} } }],
  ])("is told: %s", async (_name, userId, check) => {
    const { ask } = await givenVerifier();

    expect(await ask(userId, check)).toEqual(notSetUp);
  });

  test("is told of every challenge", async () => {
    const { client } = await givenVerifier();

    expect(await client.challenge(subjectOf("ann"), { otpSms: { returnCode: true } }, never)).toEqual(notSetUp);
  });
});

describe("a request", () => {
  test.each([
    ["signed with another secret", { key: "another" }],
    ["of more than five minutes ago", { ageMs: 301_000 }],
    ["of a time to come", { ageMs: -301_000 }],
  ])("%s is refused", async (_name, { key = secret, ageMs = 0 }: { key?: string; ageMs?: number }) => {
    const { url, password } = await givenVerifier({ maxAttempts: 1 });
    const client = createVerifier({ url, secret: key, now: () => instantOfMs(nowMs - ageMs) });

    const refused = client.check(subjectOf("ann"), { password: { password: "guess" } }, never);

    await expect(refused).rejects.toThrow(
      expect.objectContaining({
        cause: expect.objectContaining({ message: expect.stringMatching("its status is 401") }),
      }),
    );
    expect(await password("correct horse")).toEqual(proven);
  });

  test("that is not signed is refused", async () => {
    const { url } = await givenVerifier();

    expect((await fetch(url, { method: "POST", body: "{}" })).status).toBe(401);
  });

  test("whose body is another than was signed is refused", async () => {
    const { url } = await givenVerifier();
    const header = "t=1772366415,v1=65f1e5e477d0102a9f8f16ca03e5729cb75d747a669476c059045caebef1ad24";
    const send = (body: string) => fetch(url, { method: "POST", body, headers: { "rollcall-signature": header } });
    const body = '{"userId":"ann"}';

    // printf '%s' '1772366415.{"userId":"ann"}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
    expect((await send(body)).status).toBe(200);
    expect((await send(body.replace("ann", "bea"))).status).toBe(401);
    expect((await send(`${body} `)).status).toBe(401);
  });

  test("that is too large is refused", async () => {
    const { url } = await givenVerifier();

    expect((await fetch(url, { method: "POST", body: "x".repeat(1_048_577) })).status).toBe(413);
  });
});

/** A verifier of ann, who has both, bea, who has a password, and cem, who has nothing; and ways to ask it. */
async function givenVerifier(options: Partial<ExampleVerifierOptions> = {}) {
  const users = { ann, bea: { password: ann.password ?? "" }, cem: {} };
  const { url, close } = await startExampleVerifier({ users, secret, now: () => nowMs, ...options });
  onTestFinished(close);
  const { client, ask } = createAsk(url, () => nowMs);
  return {
    url,
    client,
    ask,
    password: (password: string, userId = "ann") => ask(userId, { password: { password } }),
    code: (code: string) => ask("ann", { totp: { code } }),
  };
}

function createAsk(url: string, clock: () => number) {
  const client = createVerifier({ url, secret, now: () => instantOfMs(clock()) });
  return { client, ask: (userId: string, check: JsonObject) => client.check(subjectOf(userId), check, never) };
}

function subjectOf(userId: string) {
  return { instanceId: "default", sessionId: "s1", userId };
}

/** Ann's code of so many steps from now. */
function codeAt(steps: number): string {
  return new TOTP({ secret: totpSecret }).generate({ timestamp: nowMs + steps * stepMs });
}

function wrong(failedAttempts: number) {
  return { verified: false, reason: "wrong", failedAttempts };
}

function locked(failedAttempts: number) {
  return { verified: false, reason: "locked", failedAttempts };
}
