import type { JsonObject } from "@bufbuild/protobuf";
import { CheckError, type Reason, SessionError } from "../errors.ts";
import type { Proof } from "../sessions/lifecycle.ts";
import type { FactorName } from "../sessions/schema.ts";
import type { Subject, Verdict, Verifier } from "../verifier.ts";
import type { WantedChange } from "./change.ts";
import type { WantedChallenge, WantedCheck } from "./checks.ts";

/** What came of the checks and challenges of a request. */
export interface Outcome {
  /** Undefined if nothing was to be checked. */
  proof: Proof | undefined;
  challenges: StartedChallenges | undefined;
}

/** The challenges that were started, by name; of a code that was sent nothing is told. */
export interface StartedChallenges {
  webAuthN?: { publicKeyCredentialRequestOptions: JsonObject };
  otpSms?: string;
  otpEmail?: string;
}

/** Of which session, and for which user if one is known, things are to be proven. */
export type Proving = Omit<Subject, "userId"> & { userId: string | undefined };

type Refusal = Extract<Verdict, { verified: false }>;

const needsUser: Partial<Record<FactorName, Reason>> = {
  password: "password_needs_user",
  intent: "intent_needs_user",
  webAuthN: "web_auth_n_needs_user",
};

/**
 * Has the verifier make the checks, then start the challenges, one after the other; the first that fails ends it.
 *
 * Throws SessionError: that the user is missing, that there is no verifier, why a check failed, or what the verifier throws.
 */
export async function prove(
  verifier: Verifier | undefined,
  subject: Proving,
  { checks, challenges }: Pick<WantedChange, "checks" | "challenges">,
  signal: AbortSignal,
): Promise<Outcome> {
  const factors: { name: FactorName; userVerified: boolean }[] = [];
  for (const check of checks) factors.push(await makeCheck(verifier, subject, check, signal));
  const started: StartedChallenges = {};
  for (const challenge of challenges)
    Object.assign(started, await startChallenge(verifier, subject, challenge, signal));
  return {
    proof: subject.userId === undefined || factors.length === 0 ? undefined : { userId: subject.userId, factors },
    challenges: challenges.length === 0 ? undefined : started,
  };
}

async function makeCheck(
  verifier: Verifier | undefined,
  subject: Proving,
  { factor, json }: WantedCheck,
  signal: AbortSignal,
): Promise<Proof["factors"][number]> {
  const known = assertUser(subject, factor);
  const verdict = await assertVerifier(verifier, factor).check(known, json, signal);
  if (!verdict.verified) throw toError(factor, verdict);
  return { name: factor, userVerified: verdict.userVerified };
}

async function startChallenge(
  verifier: Verifier | undefined,
  subject: Proving,
  { name, json }: WantedChallenge,
  signal: AbortSignal,
): Promise<StartedChallenges> {
  const known = assertUser(subject, name);
  const answer = await assertVerifier(verifier, name).challenge(known, json, signal);
  if ("verified" in answer) throw toError(name, answer);
  // Safe: the verifier's answer has been checked to be the JSON form of Challenges, which this is.
  return answer.challenge as StartedChallenges;
}

function assertUser({ userId, ...session }: Proving, name: FactorName): Subject {
  if (userId !== undefined) return { ...session, userId };
  throw new SessionError(needsUser[name] ?? "check_needs_user", `${name}: needs a checked user`);
}

function assertVerifier(verifier: Verifier | undefined, name: FactorName): Verifier {
  if (verifier !== undefined) return verifier;
  const advice = "set VERIFIER_URL and VERIFIER_SECRET to the service that knows the users' credentials";
  throw new SessionError("verifier_missing", `${name}: no verifier is configured; ${advice}`);
}

function toError(name: FactorName, { reason, failedAttempts }: Refusal): SessionError {
  switch (reason) {
    case "wrong":
      return name === "password"
        ? new CheckError("password_wrong", "the password is wrong", failedAttempts)
        : new CheckError("check_wrong", `${name}: the check failed`, failedAttempts);
    case "locked":
      return new SessionError("user_locked", "the user is locked");
    case "not_set_up":
      return new SessionError(
        name === "intent" ? "intent_not_succeeded" : "check_not_possible",
        `${name}: is not set up for the user`,
      );
    case "expired":
      return new SessionError(name === "intent" ? "intent_expired" : "check_not_possible", `${name}: has expired`);
    default:
      reason satisfies never;
      throw new Error("unknown reason of a verifier");
  }
}
