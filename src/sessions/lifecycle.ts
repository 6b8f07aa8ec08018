import { SessionError } from "../errors.ts";
import { type Instant, maxInstant } from "./instant.ts";
import type { FactorName, Session } from "./schema.ts";

/** A user who was found, as a session keeps them. */
export interface CheckedUser {
  id: string;
  organizationId: string;
}

/** What a user has proven: by which factors, and whether a passkey made sure who used it. */
export interface Proof {
  userId: string;
  factors: readonly { name: FactorName; userVerified: boolean }[];
}

/** A session, which may not be stored yet. */
export type UnstoredSession = Omit<Session, "sequence">;

/** What is to become of a session; what is left out stays as it is. */
export interface SessionChange {
  user: CheckedUser | undefined;
  proof: Proof | undefined;
  /** Whether challenges were started, which is a change although nothing of it is stored here. */
  isChallenged: boolean;
  /** By key, in base64; "" takes the key away. */
  metadata: Readonly<Record<string, string>>;
  /** From the change on, in microseconds. */
  lifetime: bigint | undefined;
}

/** The most that the metadata of a session may take, keys and values together, in bytes: a page holds 1,000 sessions. */
export const maxMetadataBytes = 65_536;

/**
 * What a change comes to, for a session as it is stored at `at`; undefined if it comes to nothing.
 *
 * Throws SessionError `session_terminated`, `session_expired`, or `invalid_request` if the user is another one than the
 * session's, the metadata became too large, or the lifetime passes the year 9999.
 */
export function toChanges(session: UnstoredSession, change: SessionChange, at: Instant): Partial<Session> | undefined {
  assertChangeable(session, change, at);
  const changes = {
    ...(change.user && toUser(change.user, at)),
    ...Object.assign({}, ...(change.proof?.factors ?? []).map((factor) => toFactor(factor, at))),
    ...mergeMetadata(session.metadata, change.metadata),
    ...(change.lifetime === undefined ? {} : { expiresAt: toExpiration(at, change.lifetime) }),
  };
  return change.isChallenged || Object.keys(changes).length > 0 ? { ...changes, ...toChanged(session, at) } : undefined;
}

/** How a session says that it changed at `at`: never earlier than it did before, whatever the clocks of two processes say. */
export function toChanged({ changedAt }: Pick<Session, "changedAt">, at: Instant): Pick<Session, "changedAt"> {
  return { changedAt: at > changedAt ? at : changedAt };
}

function assertChangeable(session: UnstoredSession, { user, proof }: SessionChange, at: Instant): void {
  if (session.endedAt !== null) throw new SessionError("session_terminated", "the session was ended");
  if (session.expiresAt !== null && session.expiresAt <= at) {
    throw new SessionError("session_expired", "the session has expired");
  }
  const userId = session.userId ?? user?.id;
  const isAnother = (user !== undefined && user.id !== userId) || (proof !== undefined && proof.userId !== userId);
  if (isAnother) throw new SessionError("invalid_request", "user change not possible");
}

function toUser({ id, organizationId }: CheckedUser, at: Instant): Partial<Session> {
  return { userId: id, organizationId, userCheckedAt: at };
}

function toFactor({ name, userVerified }: Proof["factors"][number], at: Instant): Partial<Session> {
  return { [`${name}CheckedAt`]: at, ...(name === "webAuthN" ? { webAuthNUserVerified: userVerified } : {}) };
}

function mergeMetadata(stored: Session["metadata"], given: SessionChange["metadata"]): Partial<Session> {
  const isNew = Object.entries(given).some(([key, value]) => (Object.hasOwn(stored, key) ? stored[key] : "") !== value);
  if (!isNew) return {};
  const entries = Object.entries({ ...stored, ...given }).filter(([, value]) => value !== "");
  const bytes = entries.reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value, "base64"),
    0,
  );
  if (bytes > maxMetadataBytes) {
    throw new SessionError(
      "invalid_request",
      `metadata: the session's must be at most ${maxMetadataBytes} bytes in all`,
    );
  }
  return { metadata: Object.fromEntries(entries) };
}

function toExpiration(at: Instant, lifetime: bigint): Instant {
  if (lifetime > maxInstant - at) throw new SessionError("invalid_request", "lifetime: must end before the year 10000");
  return at + lifetime;
}
