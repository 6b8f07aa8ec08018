import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import {
  type Factors,
  SessionSchema,
  type UserAgent,
  type UserFactor,
} from "../../gen/zitadel/session/v2/session_pb.ts";
import { hashToken } from "../auth/token.ts";
import { normalizeIp } from "../ip.ts";
import {
  type GivenSession,
  type GivenUser,
  type ImportedSession,
  type ImportRecord,
  plainIdentity,
} from "../sessions/bulk.ts";
import type { Deletion } from "../sessions/deletions.ts";
import type { Instant } from "../sessions/instant.ts";
import { assertMessage, assertStorable, isObject, refused } from "./json-rules.ts";
import {
  assertNoMore,
  assertShort,
  isAbsent,
  readDate,
  readId,
  readOrganizationId,
  readText,
  toInstant,
} from "./record-fields.ts";
import { readUserRecord } from "./user-record.ts";

// Looked for in the whole line, which is fast, so that only the few that may be wrong are looked at closely.
const maybeUnstorable = /\\u(?:0000|d[89a-f])/i;
const maybeNoDate = /-(?:02-(?:29|3\d)|(?:04|06|09|11)-31)T|T24:/;
// What a header can hold as it is; Kratos's own have 39 characters.
const tokenForm = /^[!-~]{1,200}$/;

/**
 * Reads a line of an import: `{"user": {…}}`, or `{"session": {…}}` in the JSON form of zitadel.session.v2.Session and,
 * beyond that, `creatorId`, `endedAt`, `endReason`, `endedBy` and `token`, of which only the hash is kept; beside either
 * may be the `instanceId`, the default if not. It makes one record, or two if it is a session with a user.
 *
 * As everywhere in protobuf's JSON, a field may be spelled in snake_case, and null is the same as leaving it out. The
 * exceptions are a user's `traits`, `metadataPublic` and `availableAal`, and a session's `endedAt`: null takes them away,
 * left out they are kept.
 * Dates are cut to microseconds, an IP address gets its canonical form, an empty `factors` or `userAgent` is none.
 *
 * Throws SessionError `invalid_request`, saying which field breaks which rule.
 */
export function readRecords(line: string, defaultInstanceId: string): (ImportRecord | Deletion)[] {
  const json = parse(line);
  const { instanceId: id, user, session, ...rest } = json;
  if (maybeUnstorable.test(line)) assertStorable(Object.assign({ instanceId: id }, user, session));
  assertNoMore(rest);
  const instanceId = isAbsent(id) ? defaultInstanceId : readId(id, "instanceId");
  if (isObject(user) && isAbsent(session)) return [readUserRecord(instanceId, user)];
  if (isObject(session) && isAbsent(user)) {
    return readSession(instanceId, session, { mayHoldNoDate: maybeNoDate.test(line) });
  }
  throw refused('the line must hold one object, "user" or "session"');
}

function parse(line: string): JsonObject {
  let json: JsonValue;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    // Without the part of the line that the message quotes, which may be one of a token.
    throw refused(`the line is not JSON: ${String(Object(cause).message).replace(/, (\.\.\.)?".*/s, "")}`);
  }
  if (!isObject(json)) throw refused("the line must be a JSON object");
  return json;
}

function readSession(
  instanceId: string,
  json: JsonObject,
  { mayHoldNoDate }: { mayHoldNoDate: boolean },
): ImportRecord[] {
  const { creatorId, endedAt, endReason, endedBy, token, ...rest } = json;
  if (rest["sequence"] !== undefined) throw refused("sequence is given by Rollcall, it cannot be imported");
  if (mayHoldNoDate) assertMessage(SessionSchema, rest, "");
  const message = readMessage(rest);
  const { factors, userAgent, metadata } = message;
  const session: GivenSession = {
    instanceId,
    id: readId(message.id, "id"),
    createdAt: toInstant(message.creationDate, "creationDate"),
    changedAt: toInstant(message.changeDate ?? message.creationDate, "changeDate"),
    creatorId: isAbsent(creatorId) ? null : readId(creatorId, "creatorId"),
    ...toFactors(factors, rest["factors"]),
    metadata: Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, toBase64(value)])),
    ...toUserAgent(userAgent),
    expiresAt: message.expirationDate ? toInstant(message.expirationDate, "expirationDate") : null,
    ...readEnd({ endedAt, endReason, endedBy }),
    ...(isAbsent(token) ? {} : { tokenHash: hashToken(readToken(token)) }),
  };
  assertOrder(session);
  const record = { kind: "session", session } as const;
  return factors?.user ? [record, { kind: "named_user", user: toUser(instanceId, factors.user) }] : [record];
}

// Left out it is kept: an export that does not know who was signed out here must not sign them in again.
function readEnd(
  json: { [K in "endedAt" | "endReason" | "endedBy"]: JsonValue | undefined },
): Partial<ImportedSession> {
  const { endedAt, endReason, endedBy } = json;
  if (endedAt === undefined && isAbsent(endReason) && isAbsent(endedBy)) return {};
  return {
    endedAt: isAbsent(endedAt) ? null : readDate(endedAt, "endedAt"),
    endReason: readText(endReason, "endReason") ?? null,
    endedBy: isAbsent(endedBy) ? null : readId(endedBy, "endedBy"),
  };
}

function readMessage(json: JsonObject) {
  try {
    return fromJson(SessionSchema, json, { ignoreUnknownFields: false });
  } catch {
    // What protobuf says names its own types, and not where in the line: find it again, for people.
    assertMessage(SessionSchema, json, "");
    throw refused("session is not valid");
  }
}

function toFactors(factors: Factors | undefined, json: JsonValue | undefined) {
  const checkedAt = (name: Exclude<keyof Factors, "$typeName" | "$unknown" | "user">): Instant | null => {
    const factor = factors?.[name];
    if (!factor) return null;
    if (!factors.user) throw refused(`factors.${name} needs a user`);
    return toInstant(factor.verifiedAt, `factors.${name}.verifiedAt`);
  };
  const user = factors?.user;
  return {
    userId: user ? readId(user.id, "factors.user.id") : null,
    organizationId: user ? readOrganization(json) : null,
    userCheckedAt: user ? toInstant(user.verifiedAt, "factors.user.verifiedAt") : null,
    passwordCheckedAt: checkedAt("password"),
    webAuthNCheckedAt: checkedAt("webAuthN"),
    webAuthNUserVerified: factors?.webAuthN?.userVerified ?? null,
    intentCheckedAt: checkedAt("intent"),
    totpCheckedAt: checkedAt("totp"),
    otpSmsCheckedAt: checkedAt("otpSms"),
    otpEmailCheckedAt: checkedAt("otpEmail"),
    recoveryCodeCheckedAt: checkedAt("recoveryCode"),
  };
}

// Not as protobuf has read it, which cannot tell "" from nothing.
function readOrganization(factors: JsonValue | undefined): string {
  const user = isObject(factors) && isObject(factors["user"]) ? factors["user"] : {};
  return readOrganizationId(user["organizationId"] ?? user["organization_id"], "factors.user.organizationId");
}

function toUserAgent(agent: UserAgent | undefined) {
  const { fingerprintId, ip, description } = agent ?? {};
  const headers = Object.entries(agent?.header ?? {});
  if (fingerprintId) assertShort(fingerprintId, "userAgent.fingerprintId");
  return {
    agentFingerprintId: fingerprintId ?? null,
    agentIp: ip === undefined ? null : toIp(ip),
    agentDescription: description ?? null,
    agentHeader: headers.length === 0 ? null : Object.fromEntries(headers.map(([name, { values }]) => [name, values])),
  };
}

function toIp(ip: string): string {
  const normal = ip === "" ? ip : normalizeIp(ip);
  if (normal === undefined) throw refused("userAgent.ip must be an IPv4 or IPv6 address");
  return normal;
}

// Whom sessions name is called by the name they sign in with, until a line for the user says more.
function toUser(instanceId: string, { id, organizationId, loginName, displayName }: UserFactor): GivenUser {
  const names = { userName: loginName, loginName, displayName, avatarUrl: "" };
  return { instanceId, id, organizationId, ...names, ...plainIdentity };
}

function assertOrder(session: GivenSession): void {
  const { createdAt, changedAt, endedAt = null, endReason = null, endedBy = null } = session;
  if (changedAt < createdAt) throw refused("changeDate must not be before creationDate");
  if (endedAt !== null && endedAt < createdAt) throw refused("endedAt must not be before creationDate");
  if (endedAt === null && endReason !== null) throw refused("endReason needs endedAt");
  if (endedAt === null && endedBy !== null) throw refused("endedBy needs endedAt");
}

function readToken(value: JsonValue): string {
  // Not repeated, whatever it is: it may be a token after all.
  if (typeof value === "string" && tokenForm.test(value)) return value;
  throw refused("token must be 1 to 200 printable ASCII characters without blanks");
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
