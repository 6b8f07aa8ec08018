import type { Caller } from "../../src/sessions/access.ts";
import type { Comparison } from "../../src/sessions/filter.ts";
import type { Instant } from "../../src/sessions/instant.ts";
import type { Session } from "../../src/sessions/schema.ts";

/** A condition, as a fact that the model and the store each read in their own way. */
export type Fact =
  | { is: "id"; ids: string[] }
  | { is: "user"; userId: string }
  | { is: "creator"; userId: string }
  | { is: "agent"; fingerprintId: string }
  | { is: "created"; comparison: Comparison; at: Instant }
  | { is: "expires"; comparison: Comparison; at: Instant };

/** What the store must list: all sessions that the caller may read, that meet every fact and were not ended, in order. */
export function modelList(all: readonly Session[], caller: Caller, facts: readonly Fact[], newestFirst: boolean) {
  const found = all
    .filter((session) => session.instanceId === caller.instanceId && session.endedAt === null)
    .filter((session) => mayRead(caller, session) && facts.every((fact) => meets(session, fact)))
    .sort(byCreation);
  return newestFirst ? found.reverse() : found;
}

/** What the account switcher must list, in order, with whether each entry is live at `now`. */
export function modelAccounts(all: readonly Session[], caller: Caller, now: Instant) {
  const isLive = (session: Session) =>
    session.endedAt === null && (session.expiresAt === null || session.expiresAt > now);
  const mine = all.filter(
    ({ instanceId, userId, agentFingerprintId }) =>
      instanceId === caller.instanceId && userId !== null && agentFingerprintId === caller.agentId,
  );
  const best = new Map<string | null, Session>();
  for (const session of mine.sort(byCreation)) {
    const other = best.get(session.userId);
    if (other === undefined || isLive(session) || !isLive(other)) best.set(session.userId, session);
  }
  return [...best.values()]
    .map((session) => ({ session, live: isLive(session) }))
    .sort(
      (a, b) =>
        Number(b.live) - Number(a.live) ||
        Number(b.session.changedAt - a.session.changedAt) ||
        (a.session.id < b.session.id ? 1 : -1),
    );
}

function mayRead(caller: Caller, session: Session): boolean {
  return (
    session.creatorId === caller.userId ||
    session.userId === caller.userId ||
    (caller.agentId !== undefined && session.agentFingerprintId === caller.agentId) ||
    caller.grants.some(
      ({ permission, organizationId }) =>
        permission === "session.read" && (organizationId === undefined || organizationId === session.organizationId),
    )
  );
}

function meets(session: Session, fact: Fact): boolean {
  switch (fact.is) {
    case "id":
      return fact.ids.includes(session.id);
    case "user":
      return session.userId === fact.userId;
    case "creator":
      return session.creatorId === fact.userId;
    case "agent":
      return session.agentFingerprintId === fact.fingerprintId;
    case "created":
      return compare(session.createdAt, fact.comparison, fact.at);
    case "expires":
      return session.expiresAt === null
        ? fact.comparison === "after" || fact.comparison === "at_or_after"
        : compare(session.expiresAt, fact.comparison, fact.at);
    default:
      fact satisfies never;
      throw new Error("unknown fact");
  }
}

function compare(left: Instant, comparison: Comparison, right: Instant): boolean {
  return {
    equal: left === right,
    after: left > right,
    at_or_after: left >= right,
    before: left < right,
    at_or_before: left <= right,
  }[comparison];
}

function byCreation(a: Session, b: Session): number {
  return Number(a.createdAt - b.createdAt) || (a.id < b.id ? -1 : 1);
}
