import { fromJson, type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import {
  type Challenges,
  ChallengesSchema,
  type RequestChallenges,
  RequestChallengesSchema,
} from "../gen/zitadel/session/v2/challenge_pb.ts";
import { SessionError } from "./errors.ts";

/** What the verifier says of a check: proven, by a device that made sure of its user or not; or why not. */
export type Verdict =
  | { verified: true; userVerified: boolean }
  | { verified: false; reason: "wrong" | "locked" | "not_set_up" | "expired"; failedAttempts: number };

/** What the verifier says of a challenge: what the caller is to know of it, or why it was not started. */
export type Started = { challenge: JsonObject } | Refusal;

type Refusal = Extract<Verdict, { verified: false }>;

// As large as the number of CredentialsCheckError, an int32.
const maxFailedAttempts = 2 ** 31 - 1;

/** Reads the answer to a check. Throws SessionError `verifier_unavailable` if it is not one. */
export function readVerdict(text: string): Verdict {
  const answer = readObject(text);
  const { verified, userVerified = false, challenge } = answer;
  if (verified !== true) return readRefusal(answer);
  if (challenge !== undefined) throw invalidAnswer("it has both verified and challenge");
  if (typeof userVerified !== "boolean") throw invalidAnswer("userVerified is neither true nor false");
  return { verified: true, userVerified };
}

/** Reads the answer to this challenge. Throws SessionError `verifier_unavailable` if it is not one. */
export function readStarted(text: string, asked: JsonObject): Started {
  const answer = readObject(text);
  const { verified, challenge } = answer;
  if (challenge === undefined) return readRefusal(answer);
  if (verified !== undefined) throw invalidAnswer("it has both verified and challenge");
  return { challenge: readChallenge(challenge, fromJson(RequestChallengesSchema, asked)) };
}

/** A failure because of an answer, with what is wrong with it for the log, which must repeat nothing of it. */
export function invalidAnswer(problem: string): SessionError {
  const cause = new Error(problem);
  return new SessionError("verifier_unavailable", "the verifier's answer is not valid", { cause });
}

function readObject(text: string): JsonObject {
  const json = parse(text);
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw invalidAnswer("it is not an object");
  return json;
}

function parse(text: string): JsonValue {
  try {
    return JSON.parse(text);
  } catch {
    // The error would quote the text.
    throw invalidAnswer("it is not JSON");
  }
}

function readRefusal(answer: JsonObject): Refusal {
  const { verified, reason, failedAttempts = 0, challenge } = answer;
  if (verified !== false || challenge !== undefined) throw invalidAnswer("it does not answer the question");
  if (typeof failedAttempts !== "number" || !Number.isInteger(failedAttempts)) {
    throw invalidAnswer("failedAttempts is not a whole number");
  }
  if (failedAttempts < 0 || failedAttempts > maxFailedAttempts) throw invalidAnswer("failedAttempts is out of range");
  switch (reason) {
    case "wrong":
    case "locked":
    case "not_set_up":
    case "expired":
      return { verified, reason, failedAttempts };
    default:
      throw invalidAnswer("reason is not a known one");
  }
}

function readChallenge(json: JsonValue, asked: RequestChallenges): JsonObject {
  try {
    const challenge = fromJson(ChallengesSchema, json, { ignoreUnknownFields: true });
    // Safe: the JSON form of a message like this one is an object.
    if (isAnswerTo(asked, challenge)) return toJson(ChallengesSchema, challenge) as JsonObject;
  } catch {
    // The error would quote what is wrong.
  }
  throw invalidAnswer("challenge is not what was asked for");
}

/** Whether it has what was asked for and nothing else: a code that is to be sent is not for the caller. */
function isAnswerTo(asked: RequestChallenges, { webAuthN, otpSms, otpEmail }: Challenges): boolean {
  const returnsEmail = asked.otpEmail?.deliveryType.case === "returnCode";
  return (
    (asked.webAuthN ? webAuthN?.publicKeyCredentialRequestOptions !== undefined : webAuthN === undefined) &&
    (asked.otpSms?.returnCode ? Boolean(otpSms) : otpSms === undefined) &&
    (returnsEmail ? Boolean(otpEmail) : otpEmail === undefined)
  );
}
