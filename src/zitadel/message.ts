import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { ListMyUserSessionsResponseSchema } from "../../gen/zitadel/auth/v1/auth_service_pb.ts";
import type {
  CreateSessionResponseSchema,
  DeleteSessionResponseSchema,
  GetSessionResponseSchema,
  ListSessionsResponseSchema,
  SetSessionResponseSchema,
} from "../../gen/zitadel/session/v2/session_service_pb.ts";
import { SessionState } from "../../gen/zitadel/user/v1/session_pb.ts";
import { type Instant, splitInstant } from "../sessions/instant.ts";
import type { Session, SessionOfUser, User } from "../sessions/schema.ts";
import type { Account, SessionPage } from "../sessions/store.ts";
import type { StartedChallenges } from "./proof.ts";

/** The answer of ListSessions, v2 or (its messages being the same but for what they lack) v2beta, given at `now`. */
export function toListSessionsResponse(page: SessionPage, now: Instant) {
  return {
    details: {
      totalResult: BigInt(page.total),
      processedSequence: page.processedSequence,
      timestamp: toTimestamp(now),
    },
    sessions: page.sessions.map(toSession),
  } satisfies MessageInitShape<typeof ListSessionsResponseSchema>;
}

/** The answer of GetSession, in either version. */
export function toGetSessionResponse(found: SessionOfUser) {
  return { session: toSession(found) } satisfies MessageInitShape<typeof GetSessionResponseSchema>;
}

/** The answer of CreateSession, in either version, with the token, which can never be asked for again. */
export function toCreateSessionResponse(session: Session, token: string, challenges: StartedChallenges | undefined) {
  return {
    details: toDetails(session),
    sessionId: session.id,
    sessionToken: token,
    challenges,
  } satisfies MessageInitShape<typeof CreateSessionResponseSchema>;
}

/** The answer of SetSession, in either version, with the new token; without one if nothing was changed. */
export function toSetSessionResponse(
  session: Session,
  token: string | undefined,
  challenges: StartedChallenges | undefined,
) {
  return { details: toDetails(session), sessionToken: token, challenges } satisfies MessageInitShape<
    typeof SetSessionResponseSchema
  >;
}

/** The answer of DeleteSession, in either version. */
export function toDeleteSessionResponse(session: Session) {
  return { details: toDetails(session) } satisfies MessageInitShape<typeof DeleteSessionResponseSchema>;
}

/** The answer of ListMyUserSessions. */
export function toListMyUserSessionsResponse(accounts: readonly Account[]) {
  return { result: accounts.map(toUserSession) } satisfies MessageInitShape<typeof ListMyUserSessionsResponseSchema>;
}

/** A session as v2 and v2beta have it, its user by the names that they have now. */
export function toSession({ session, user }: SessionOfUser) {
  return {
    id: session.id,
    creationDate: toTimestamp(session.createdAt),
    changeDate: toTimestamp(session.changedAt),
    sequence: session.sequence,
    factors: toFactors(session, user),
    metadata: toMetadata(session),
    userAgent: toUserAgent(session),
    expirationDate: toTimestamp(session.expiresAt),
  };
}

// Without the creation date, which Zitadel leaves out here.
function toDetails({ sequence, changedAt, instanceId }: Session) {
  return { sequence, changeDate: toTimestamp(changedAt), resourceOwner: instanceId };
}

function toFactors(session: Session, user: User | null) {
  if (session.userId === null) return undefined;
  const webAuthN = toFactor(session.webAuthNCheckedAt);
  return {
    user: {
      verifiedAt: toTimestamp(session.userCheckedAt),
      id: session.userId,
      loginName: user?.loginName,
      displayName: user?.displayName,
      organizationId: session.organizationId ?? "",
    },
    password: toFactor(session.passwordCheckedAt),
    webAuthN: webAuthN && { ...webAuthN, userVerified: session.webAuthNUserVerified ?? false },
    intent: toFactor(session.intentCheckedAt),
    totp: toFactor(session.totpCheckedAt),
    otpSms: toFactor(session.otpSmsCheckedAt),
    otpEmail: toFactor(session.otpEmailCheckedAt),
    recoveryCode: toFactor(session.recoveryCodeCheckedAt),
  };
}

function toFactor(checkedAt: Instant | null): { verifiedAt: Timestamp | undefined } | undefined {
  return checkedAt === null ? undefined : { verifiedAt: toTimestamp(checkedAt) };
}

function toMetadata({ metadata }: Session): Record<string, Uint8Array> {
  return Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value, "base64")]));
}

function toUserAgent(session: Session) {
  const { agentFingerprintId, agentIp, agentDescription, agentHeader } = session;
  if (agentFingerprintId === null && agentIp === null && agentDescription === null && agentHeader === null) {
    return undefined;
  }
  return {
    fingerprintId: agentFingerprintId ?? undefined,
    ip: agentIp ?? undefined,
    description: agentDescription ?? undefined,
    header: Object.fromEntries(Object.entries(agentHeader ?? {}).map(([name, values]) => [name, { values }])),
  };
}

function toUserSession({ session, user, live }: Account) {
  return {
    sessionId: session.id,
    agentId: session.agentFingerprintId ?? "",
    authState: live ? SessionState.ACTIVE : SessionState.TERMINATED,
    userId: session.userId ?? "",
    userName: user?.userName,
    loginName: user?.loginName,
    displayName: user?.displayName,
    avatarUrl: user?.avatarUrl,
    details: {
      sequence: session.sequence,
      creationDate: toTimestamp(session.createdAt),
      changeDate: toTimestamp(session.changedAt),
      resourceOwner: user?.organizationId ?? session.organizationId ?? "",
    },
  };
}

function toTimestamp(instant: Instant): Timestamp;
function toTimestamp(instant: Instant | null): Timestamp | undefined;
function toTimestamp(instant: Instant | null): Timestamp | undefined {
  return instant === null ? undefined : { $typeName: "google.protobuf.Timestamp", ...splitInstant(instant) };
}
