import { randomUUID } from "node:crypto";
import type { Database } from "../../src/database.ts";
import { plainIdentity } from "../../src/sessions/bulk.ts";
import { type Instant, instantOfMs } from "../../src/sessions/instant.ts";
import { type NewSession, type Session, sessions, type User, users } from "../../src/sessions/schema.ts";

/** The time at which tests happen. */
export const now: Instant = instantOfMs(Date.parse("2026-03-01T12:00:00Z")) + 123_456n;

/** A second, a minute, an hour, in the unit of an Instant. */
export const second = 1_000_000n;
export const minute = 60n * second;
export const hour = 60n * minute;

/** Stores users and sessions of one instance; whatever a test does not care for is made up. */
export function createGiven(database: Database, instanceId: string) {
  return {
    async user(user: Partial<User> = {}): Promise<User> {
      const id = user.id ?? randomUUID();
      const row = {
        instanceId,
        id,
        organizationId: "org-1",
        userName: `name-${id}`,
        loginName: `${id}@example.com`,
        displayName: `User ${id}`,
        avatarUrl: "",
        ...plainIdentity,
        ...user,
      };
      const [stored] = await database.db.insert(users).values(row).returning();
      if (stored === undefined) throw new Error("the user was not stored");
      return stored;
    },

    /** A session without a user, unless the test names one: then it is of that user's organization `org-1`. */
    async session(session: Partial<NewSession> = {}): Promise<Session> {
      const createdAt = session.createdAt ?? now - hour;
      const checked = session.userId ? { organizationId: "org-1", userCheckedAt: createdAt } : {};
      const row = { instanceId, id: randomUUID(), createdAt, changedAt: createdAt, ...checked, ...session };
      const [stored] = await database.db.insert(sessions).values(row).returning();
      if (stored === undefined) throw new Error("the session was not stored");
      return stored;
    },
  };
}
