import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { type Caller, inAgentOf, readableBy } from "../../src/sessions/access.ts";
import * as filter from "../../src/sessions/filter.ts";
import { type NewSession, type Session, sessions } from "../../src/sessions/schema.ts";
import { listAccounts, listSessions } from "../../src/sessions/store.ts";
import { openTestDatabase } from "../support/database.ts";
import { now, second } from "../support/given.ts";
import { type Fact, modelAccounts, modelList } from "./reference-model.ts";

const database = openTestDatabase();
afterAll(() => database.close());

// Few values each, so that sessions, callers and conditions meet, and creation dates are often the same.
const person = fc.constantFrom("ann", "bob", "cy");
const organization = fc.constantFrom("org-1", "org-2");
const agent = fc.constantFrom("agent-1", "agent-2");
const moment = fc.integer({ min: -3, max: 3 }).map((n) => now + BigInt(n) * second);
const sessionId = fc.integer({ min: 0, max: 30 }).map((n) => `session-${n}`);

const user = fc.record({ userId: person, organizationId: organization, userCheckedAt: moment });
const session = fc
  .record({
    id: sessionId,
    createdAt: moment,
    changedAt: moment,
    creatorId: fc.option(person),
    agentFingerprintId: fc.option(agent),
    expiresAt: fc.option(moment),
    endedAt: fc.option(moment, { freq: 3 }),
    user: fc.option(user),
    elsewhere: fc.boolean(),
  })
  .map(({ user, ...rest }) => ({ ...rest, ...user }));
const directory = fc.uniqueArray(session, { maxLength: 25, selector: ({ id, elsewhere }) => `${id} ${elsewhere}` });

const permission = fc.constantFrom("session.read" as const, "session.delete" as const);
const grant = fc.record({ permission, organizationId: fc.option(organization, { nil: undefined, freq: 2 }) });
const caller = fc.record({
  userId: person,
  agentId: fc.option(agent, { nil: undefined }),
  grants: fc.array(grant, { maxLength: 2 }),
});

const comparison = fc.constantFrom("equal", "after", "at_or_after", "before", "at_or_before" as const);
const fact: fc.Arbitrary<Fact> = fc.oneof(
  fc.record({ is: fc.constant("id" as const), ids: fc.array(sessionId, { maxLength: 40 }) }),
  fc.record({ is: fc.constant("user" as const), userId: person }),
  fc.record({ is: fc.constant("creator" as const), userId: person }),
  fc.record({ is: fc.constant("agent" as const), fingerprintId: agent }),
  fc.record({ is: fc.constant("created" as const), comparison, at: moment }),
  fc.record({ is: fc.constant("expires" as const), comparison, at: moment }),
);

describe("listSessions", () => {
  test("answers like the reference model, page by page", async () => {
    const page = fc.record({ limit: fc.integer({ min: 1, max: 9 }), newestFirst: fc.boolean() });
    const facts = fc.array(fact, { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(directory, caller, facts, page, async (rows, who, facts, { limit, newestFirst }) => {
        const { stored, caller } = await givenDirectory(rows, who);
        const expected = modelList(stored, caller, facts, newestFirst).map(({ id }) => id);
        const conditions = [...facts.map(toCondition), filter.isNotEnded()];
        const order = newestFirst ? ("newest_first" as const) : ("oldest_first" as const);

        for (let offset = 0; offset <= expected.length + limit; offset += limit) {
          const query = { conditions, page: { offset, limit, order } };
          const page = await listSessions(database.db, readableBy(caller), query);

          expect(page.sessions.map(({ session }) => session.id)).toEqual(expected.slice(offset, offset + limit));
          expect(page.total).toBe(expected.length);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe("listAccounts", () => {
  test("answers like the reference model", async () => {
    await fc.assert(
      fc.asyncProperty(directory, caller, async (rows, who) => {
        const { stored, caller } = await givenDirectory(rows, who);

        const accounts = await listAccounts(database.db, inAgentOf(caller), now);

        const expected = modelAccounts(stored, caller, now).map(({ session, live }) => ({ id: session.id, live }));
        expect(accounts.map(({ session, live }) => ({ id: session.id, live }))).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });
});

/** Stores the sessions in an instance of their own, or in a second one those that are `elsewhere`. */
async function givenDirectory(
  rows: readonly (Omit<NewSession, "instanceId"> & { elsewhere: boolean })[],
  who: Omit<Caller, "instanceId">,
): Promise<{ stored: Session[]; caller: Caller }> {
  const instanceId = randomUUID();
  const values = rows.map(({ elsewhere, ...row }) => ({
    ...row,
    instanceId: elsewhere ? `${instanceId}-2` : instanceId,
  }));
  const stored = values.length === 0 ? [] : await database.db.insert(sessions).values(values).returning();
  return { stored, caller: { instanceId, ...who } };
}

function toCondition(fact: Fact): filter.Condition {
  switch (fact.is) {
    case "id":
      return filter.hasIdIn(fact.ids);
    case "user":
      return filter.hasUser(fact.userId);
    case "creator":
      return filter.hasCreator(fact.userId);
    case "agent":
      return filter.hasAgent(fact.fingerprintId);
    case "created":
      return filter.isCreated(fact.comparison, fact.at);
    case "expires":
      return filter.expires(fact.comparison, fact.at);
    default:
      fact satisfies never;
      throw new Error("unknown fact");
  }
}
