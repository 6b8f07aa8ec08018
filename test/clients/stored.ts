import { expect } from "vitest";
import { printInstant } from "../../src/sessions/instant.ts";
import type { NewSession, Session, User } from "../../src/sessions/schema.ts";
import { minute, now } from "../support/given.ts";
import type { TestServer } from "../support/server.ts";
import type { Outcome } from "./client.ts";

/** A stored session; a full one has a user. */
export interface Stored {
  session: Session;
  user?: User;
}

/** The user that Zitadel's login has, on whose behalf most sessions are created. */
export const loginUserId = "login-client";

const timestampToleranceMs = 60_000;

/** A session that nothing is known of but who created it. */
export async function givenEmptySession(given: TestServer["given"], session: Partial<NewSession>): Promise<Stored> {
  return { session: await given.session({ createdAt: now, ...session }) };
}

/** A session with all that CreateSession can store, of a user of its own. */
export async function givenFullSession(
  given: TestServer["given"],
  session: Partial<NewSession> = {},
): Promise<Required<Stored>> {
  const user = await given.user();
  const full = {
    createdAt: now,
    creatorId: loginUserId,
    userId: user.id,
    metadata: { key: "dmFsdWU=" },
    agentFingerprintId: "useragent",
    agentIp: "1.2.3.4",
    agentDescription: "Description",
    agentHeader: { foo: ["foo", "bar"] },
    expiresAt: now + 5n * minute,
  };
  return { user, session: await given.session({ ...full, ...session }) };
}

/** Expects the answer of ListSessions to have these sessions, in this order, with all that is known of each, and no more. */
export function expectSessions(outcome: Outcome, stored: readonly Stored[]): void {
  expect(outcome).toEqual({
    answer: {
      details: {
        // The JSON of a 0, and of no sessions, is to leave them out.
        ...(stored.length > 0 && { totalResult: String(stored.length) }),
        processedSequence: expect.toSatisfy((highest) =>
          stored.every(({ session }) => session.sequence <= BigInt(highest)),
        ),
        timestamp: expect.toSatisfy((at) => Math.abs(Date.parse(at) - Date.now()) < timestampToleranceMs),
      },
      ...(stored.length > 0 && { sessions: stored.map(toExpected) }),
    },
  });
}

function toExpected({ session, user }: Stored) {
  const createdAt = printInstant(session.createdAt);
  return {
    id: session.id,
    creationDate: createdAt,
    changeDate: createdAt,
    sequence: String(session.sequence),
    ...(user && {
      factors: {
        user: {
          verifiedAt: createdAt,
          id: user.id,
          loginName: user.loginName,
          displayName: user.displayName,
          organizationId: "org-1",
        },
      },
      metadata: { key: "dmFsdWU=" },
      userAgent: {
        fingerprintId: "useragent",
        ip: "1.2.3.4",
        description: "Description",
        header: { foo: { values: ["foo", "bar"] } },
      },
    }),
    ...(session.expiresAt !== null && { expirationDate: printInstant(session.expiresAt) }),
  };
}
