import { readInstant } from "../../src/sessions/instant.ts";
import { bareSession, type Session, type User } from "../../src/sessions/schema.ts";

// Rows as the database would give them, for tests that have none.

/** A moment of the day on which everything happens, such as `12:00:00.25`. */
export const at = (time: string) => readInstant(`2026-03-01 ${time}+00`);

/** A session of ann's without a factor, until the test adds some. */
export const givenSession = (session: Partial<Session> = {}): Session => ({
  ...bareSession,
  instanceId: "default",
  id: "0197f1d0-0000-7000-8000-000000000001",
  createdAt: at("10:00:00"),
  changedAt: at("10:00:00"),
  sequence: 1n,
  userId: "ann",
  organizationId: "org-1",
  userCheckedAt: at("10:00:00"),
  expiresAt: at("20:00:00"),
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
