import { readInstant } from "../sessions/instant.ts";
import type { Session, User } from "../sessions/schema.ts";

// Rows as the database would give them, for the unit tests beside this file.

/** A moment of the day on which everything happens, such as `12:00:00.25`. */
export const at = (time: string) => readInstant(`2026-03-01 ${time}+00`);

/** A session of ann's without a factor, until the test adds some. */
export const givenSession = (session: Partial<Session> = {}): Session => ({
  instanceId: "default",
  id: "0197f1d0-0000-7000-8000-000000000001",
  createdAt: at("10:00:00"),
  changedAt: at("10:00:00"),
  sequence: 1n,
  creatorId: null,
  userId: "ann",
  organizationId: "org-1",
  userCheckedAt: at("10:00:00"),
  passwordCheckedAt: null,
  webAuthNCheckedAt: null,
  webAuthNUserVerified: null,
  intentCheckedAt: null,
  totpCheckedAt: null,
  otpSmsCheckedAt: null,
  otpEmailCheckedAt: null,
  recoveryCodeCheckedAt: null,
  metadata: {},
  agentFingerprintId: null,
  agentIp: null,
  agentDescription: null,
  agentHeader: null,
  expiresAt: at("20:00:00"),
  tokenHash: null,
  endedAt: null,
  endReason: null,
  endedBy: null,
  ...session,
});

/** Ann. */
export const givenUser = (user: Partial<User> = {}): User => ({
  instanceId: "default",
  id: "ann",
  organizationId: "org-1",
  userName: "ann",
  loginName: "ann@example.com",
  displayName: "Ann Example",
  avatarUrl: "",
  state: "active",
  traits: null,
  schemaId: "default",
  metadataPublic: null,
  availableAal: null,
  createdAt: at("08:00:00"),
  changedAt: at("09:00:00.5"),
  ...user,
});
