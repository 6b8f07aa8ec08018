import type { JsonObject } from "@bufbuild/protobuf";
import {
  type RequestChallenges,
  type RequestChallenges_OTPEmail,
  UserVerificationRequirement,
  UserVerificationRequirementSchema,
} from "../../gen/zitadel/session/v2/challenge_pb.ts";
import type { Checks, CheckUser } from "../../gen/zitadel/session/v2/session_service_pb.ts";
import type { RequestChallenges as RequestChallengesBeta } from "../../gen/zitadel/session/v2beta/challenge_pb.ts";
import type { Checks as ChecksBeta } from "../../gen/zitadel/session/v2beta/session_service_pb.ts";
import { SessionError } from "../errors.ts";
import type { FactorName } from "../sessions/schema.ts";
import type { UserSearch } from "../sessions/users.ts";
import { readText } from "./text-rules.ts";

/** A check that somebody else makes: which factor it proves, and what was sent, in the JSON form of Checks. */
export interface WantedCheck {
  factor: FactorName;
  json: JsonObject;
}

/** A challenge that somebody else starts: what was sent, in the JSON form of RequestChallenges. */
export interface WantedChallenge {
  name: "webAuthN" | "otpSms" | "otpEmail";
  json: JsonObject;
}

/** Whom a request names as the session's user; undefined if nobody. Throws SessionError `invalid_request`. */
export function readUserCheck(checks: Checks | ChecksBeta | undefined): UserSearch | undefined {
  if (checks?.user === undefined) return undefined;
  // Safe: v2beta's message is the same.
  const search = checks.user.search as CheckUser["search"];
  switch (search.case) {
    case "userId":
      return { id: readText(search.value, "checks.user.userId") };
    case "loginName":
      return { loginName: readText(search.value, "checks.user.loginName") };
    default:
      search satisfies { case: undefined };
      throw new SessionError("invalid_request", "checks.user.search: value is required");
  }
}

/** The checks of a request beyond the user, in the order in which they are made. Throws SessionError `invalid_request`. */
export function readChecks(checks: Checks | ChecksBeta | undefined): WantedCheck[] {
  if (checks === undefined) return [];
  const { password, idpIntent, webAuthN, totp, otpSms, otpEmail } = checks;
  const recoveryCode = "recoveryCode" in checks ? checks.recoveryCode : undefined;
  const wanted: (WantedCheck | undefined)[] = [
    password && {
      factor: "password",
      json: { password: { password: readText(password.password, "checks.password.password") } },
    },
    idpIntent && {
      factor: "intent",
      json: {
        idpIntent: {
          idpIntentId: readText(idpIntent.idpIntentId, "checks.idpIntent.idpIntentId"),
          idpIntentToken: readText(idpIntent.idpIntentToken, "checks.idpIntent.idpIntentToken"),
        },
      },
    },
    webAuthN && {
      factor: "webAuthN",
      json: { webAuthN: { credentialAssertionData: readAssertion(webAuthN.credentialAssertionData) } },
    },
    totp && { factor: "totp", json: { totp: { code: readText(totp.code, "checks.totp.code", { min: 6, max: 6 }) } } },
    otpSms && { factor: "otpSms", json: { otpSms: { code: readCode(otpSms.code, "checks.otpSms.code") } } },
    otpEmail && { factor: "otpEmail", json: { otpEmail: { code: readCode(otpEmail.code, "checks.otpEmail.code") } } },
    recoveryCode && {
      factor: "recoveryCode",
      json: { recoveryCode: { code: readText(recoveryCode.code, "checks.recoveryCode.code") } },
    },
  ];
  return wanted.filter((check) => check !== undefined);
}

/** The challenges of a request, in the order in which they are started. Throws SessionError `invalid_request`. */
export function readChallenges(challenges: RequestChallenges | RequestChallengesBeta | undefined): WantedChallenge[] {
  const { webAuthN, otpSms, otpEmail } = challenges ?? {};
  const wanted: (WantedChallenge | undefined)[] = [
    webAuthN && {
      name: "webAuthN",
      json: {
        webAuthN: {
          domain: readText(webAuthN.domain, "challenges.webAuthN.domain"),
          userVerificationRequirement: readRequirement(webAuthN.userVerificationRequirement),
        },
      },
    },
    otpSms && { name: "otpSms", json: { otpSms: otpSms.returnCode ? { returnCode: true } : {} } },
    // Safe: v2beta's message is the same.
    otpEmail && { name: "otpEmail", json: { otpEmail: toDelivery(otpEmail.deliveryType as EmailDelivery) } },
  ];
  return wanted.filter((challenge) => challenge !== undefined);
}

type EmailDelivery = RequestChallenges_OTPEmail["deliveryType"];

function readAssertion(data: JsonObject | undefined): JsonObject {
  if (data === undefined) {
    throw new SessionError("invalid_request", "checks.webAuthN.credentialAssertionData: value is required");
  }
  return data;
}

function readCode(code: string, path: string): string {
  return readText(code, path, { max: Number.POSITIVE_INFINITY });
}

function readRequirement(requirement: UserVerificationRequirement): string {
  // Any number may come.
  const name = UserVerificationRequirementSchema.value[requirement]?.name;
  if (requirement === UserVerificationRequirement.UNSPECIFIED || name === undefined) {
    const path = "challenges.webAuthN.userVerificationRequirement";
    throw new SessionError("invalid_request", `${path}: must be one of the defined values, and not unspecified`);
  }
  return name;
}

function toDelivery(delivery: EmailDelivery): JsonObject {
  switch (delivery.case) {
    case "sendCode": {
      const { urlTemplate } = delivery.value;
      const path = "challenges.otpEmail.sendCode.urlTemplate";
      return { sendCode: urlTemplate === undefined ? {} : { urlTemplate: readText(urlTemplate, path) } };
    }
    case "returnCode":
      return { returnCode: {} };
    default:
      delivery satisfies { case: undefined };
      return {};
  }
}
