import type { JsonObject } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { SessionError } from "./errors.ts";
import { readStarted, readVerdict } from "./verifier-answer.ts";

const passkey = {
  webAuthN: { domain: "example.com", userVerificationRequirement: "USER_VERIFICATION_REQUIREMENT_REQUIRED" },
};
const options = {
  publicKey: { challenge: "c2Vj", timeout: 60_000, allowCredentials: [{ id: "a", transports: null }] },
};

describe("the answer to a check", () => {
  test.each([
    ["proven", { verified: true }, { verified: true, userVerified: false }],
    ["by a user whom the device knows", { verified: true, userVerified: true }, { verified: true, userVerified: true }],
    ["by a user whom it does not", { verified: true, userVerified: false }, { verified: true, userVerified: false }],
    ["with more than is known", { verified: true, note: { verified: false } }, { verified: true, userVerified: false }],
    ["wrong", wrong(3), wrong(3)],
    ["wrong, not counted", { verified: false, reason: "wrong" }, wrong(0)],
    ["wrong, too often to count", wrong(2_147_483_647), wrong(2_147_483_647)],
    ["locked", { verified: false, reason: "locked", failedAttempts: 5, until: "tomorrow" }, refusal("locked", 5)],
    ["not set up", { verified: false, reason: "not_set_up" }, refusal("not_set_up")],
    ["expired", { verified: false, reason: "expired" }, refusal("expired")],
  ])("is read: %s", (_name, answer, verdict) => {
    expect(readVerdict(JSON.stringify(answer))).toEqual(verdict);
  });

  test.each([
    ["nothing", ""],
    ["no JSON", "hunter2"],
    ["half of it", '{"verified": true'],
    ["two of them", '{"verified": true} {"verified": true}'],
    ["null", "null"],
    ["a list", '[{"verified": true}]'],
    ["a text", '"verified"'],
    ["an empty object", "{}"],
    ["verified as a text", '{"verified": "true"}'],
    ["verified as a number", '{"verified": 1}'],
    ["userVerified as a text", '{"verified": true, "userVerified": "true"}'],
    ["userVerified as null", '{"verified": true, "userVerified": null}'],
    ["no reason", '{"verified": false}'],
    ["an unknown reason", '{"verified": false, "reason": "Wrong"}'],
    ["a reason that every object has", '{"verified": false, "reason": "toString"}'],
    ["a list for a reason", '{"verified": false, "reason": ["wrong"]}'],
    ["failedAttempts as a text", '{"verified": false, "reason": "wrong", "failedAttempts": "1"}'],
    ["failedAttempts as null", '{"verified": false, "reason": "wrong", "failedAttempts": null}'],
    ["failedAttempts below 0", '{"verified": false, "reason": "wrong", "failedAttempts": -1}'],
    ["half an attempt", '{"verified": false, "reason": "wrong", "failedAttempts": 1.5}'],
    ["failedAttempts above an int32", '{"verified": false, "reason": "wrong", "failedAttempts": 2147483648}'],
    ["endless failedAttempts", '{"verified": false, "reason": "wrong", "failedAttempts": 1e999}'],
    ["a challenge", '{"challenge": {}}'],
    ["proven, and a challenge", '{"verified": true, "challenge": {}}'],
    ["wrong, and a challenge", '{"verified": false, "reason": "wrong", "challenge": {}}'],
  ])("is refused, and not repeated: %s", (_name, text) => {
    expect(() => readVerdict(text)).toThrow(unavailable);
    expect(() => readVerdict(text)).toThrow(withoutQuote(text));
  });
});

describe("the answer to a challenge", () => {
  test.each<[string, JsonObject, JsonObject]>([
    ["a passkey's options", passkey, { webAuthN: { publicKeyCredentialRequestOptions: options } }],
    ["an SMS that was sent", { otpSms: {} }, {}],
    ["an SMS's code", { otpSms: { returnCode: true } }, { otpSms: "123456" }],
    ["an e-mail that was sent", { otpEmail: {} }, {}],
    ["an e-mail that was sent with a link", { otpEmail: { sendCode: { urlTemplate: "https://a.example" } } }, {}],
    ["an e-mail's code", { otpEmail: { returnCode: {} } }, { otpEmail: "123456" }],
  ])("is read: %s", (_name, asked, challenge) => {
    const text = JSON.stringify({ challenge: { ...challenge, note: 1 }, note: 2 });

    expect(readStarted(text, asked)).toEqual({ challenge });
  });

  test("may be that it cannot be started", () => {
    const text = JSON.stringify({ verified: false, reason: "not_set_up" });

    expect(readStarted(text, passkey)).toEqual(refusal("not_set_up"));
  });

  test.each<[string, JsonObject, JsonObject]>([
    ["nothing", passkey, {}],
    ["proven", passkey, { verified: true }],
    ["proven, and started", { otpSms: {} }, { verified: true, challenge: {} }],
    ["wrong, and started", { otpSms: {} }, { ...wrong(1), challenge: {} }],
    ["null", { otpSms: {} }, { challenge: null }],
    ["a text", { otpSms: { returnCode: true } }, { challenge: "123456" }],
    ["no options", passkey, { challenge: {} }],
    ["empty options", passkey, { challenge: { webAuthN: {} } }],
    [
      "options that are a text",
      passkey,
      { challenge: { webAuthN: { publicKeyCredentialRequestOptions: "publicKey" } } },
    ],
    ["no code", { otpSms: { returnCode: true } }, { challenge: {} }],
    ["an empty code", { otpEmail: { returnCode: {} } }, { challenge: { otpEmail: "" } }],
    ["a number for a code", { otpSms: { returnCode: true } }, { challenge: { otpSms: 123456 } }],
    ["a code that was to be sent by SMS", { otpSms: {} }, { challenge: { otpSms: "123456" } }],
    ["a code that was to be sent by e-mail", { otpEmail: { sendCode: {} } }, { challenge: { otpEmail: "123456" } }],
    ["another's code", { otpSms: { returnCode: true } }, { challenge: { otpEmail: "123456" } }],
    ["two codes", { otpSms: { returnCode: true } }, { challenge: { otpSms: "123456", otpEmail: "123456" } }],
    [
      "a code with the options",
      passkey,
      { challenge: { webAuthN: { publicKeyCredentialRequestOptions: options }, otpSms: "123456" } },
    ],
  ])("is refused, and not repeated: %s", (_name, asked, answer) => {
    const text = JSON.stringify(answer);

    expect(() => readStarted(text, asked)).toThrow(unavailable);
    expect(() => readStarted(text, asked)).toThrow(withoutQuote("123456"));
  });

  test("is refused if it holds a number that JSON cannot spell, or no end of lists", () => {
    for (const value of ["1e999", "[".repeat(30_000) + "]".repeat(30_000)]) {
      const text = `{"challenge": {"webAuthN": {"publicKeyCredentialRequestOptions": {"a": ${value}}}}}`;

      expect(() => readStarted(text, passkey)).toThrow(unavailable);
    }
  });
});

const unavailable = expect.objectContaining({
  reason: "verifier_unavailable",
  message: "the verifier's answer is not valid",
  cause: expect.any(Error),
});

function refusal(reason: string, failedAttempts = 0) {
  return { verified: false, reason, failedAttempts };
}

function wrong(failedAttempts: number) {
  return refusal("wrong", failedAttempts);
}

/** Matches an error that nowhere holds the text. */
function withoutQuote(text: string) {
  return expect.toSatisfy((error: unknown) => {
    const { message, cause } = error instanceof SessionError ? error : new Error("not a SessionError");
    const told = [message, cause instanceof Error ? `${cause.message} ${cause.cause}` : cause].join(" ");
    return text === "" || !told.includes(text);
  });
}
