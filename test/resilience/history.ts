import { expect } from "vitest";
import type { Instant } from "../../src/sessions/instant.ts";

/** What SetSession is sent. */
export interface Change {
  /** An empty text takes the key away. */
  metadata: Record<string, string>;
  /** In microseconds. */
  lifetime?: bigint | undefined;
  userId?: string | undefined;
}

/** A session as the contract describes it. */
export interface State {
  id: string;
  sequence: bigint;
  changedAt: Instant;
  metadata: Record<string, string>;
  expiresAt: Instant | undefined;
  userId: string | undefined;
  isEnded: boolean;
  token: string;
}

/** What is asked of a session. */
export type Asks = Change | "get" | "end";

/** What a session is seen to be; without what only who made it knows. */
export type Seen = Omit<State, "token" | "isEnded">;

/** What came of it: a failure's text, the session as it is seen, what was written, or the state that was left as it is. */
export type Answer = string | Seen | Written | Pick<State, "sequence">;

/** The failures that a session in use can cause. */
export const failures = {
  ended: "Errors.Session.Terminated (COMMAND-Hewfq)",
  unknown: "Errors.Session.NotExisting (QUERY-SFeaa)",
  otherUser: "user change not possible",
};

/** A request that succeeded and changed something. */
export interface Written extends Pick<State, "sequence" | "changedAt" | "token"> {
  /** Undefined: it ended the session. */
  change: Change | undefined;
  /** The time by each of the clocks that it may have gone by; but for an end only one is possible. */
  clocks: readonly [Instant, ...Instant[]];
}

/** The states that a session went through, lowest sequence first; fails if these changes cannot follow one another. */
export function replay(created: State, changes: readonly Written[]): State[] {
  const states = [created];
  let before = created;
  for (const written of changes.toSorted((a, b) => (a.sequence < b.sequence ? -1 : 1))) {
    before = follow(before, written);
    states.push(before);
  }
  return states;
}

/** What a session is after a change. */
export function apply(before: State, { metadata, lifetime, userId }: Change, clock: Instant): State {
  const entries = Object.entries({ ...before.metadata, ...metadata }).filter(([, value]) => value !== "");
  return {
    ...before,
    metadata: Object.fromEntries(entries),
    expiresAt: lifetime === undefined ? before.expiresAt : clock + lifetime,
    userId: userId ?? before.userId,
  };
}

/** Checks that an answer could be given in one of these states, and none from before `settled`. */
export function expectToBePartOf(states: readonly State[], asks: Asks, answer: Answer, settled: bigint): void {
  if (typeof answer === "string") {
    expectToBeJust(states.at(-1), asks, answer);
    return;
  }
  expect(answer.sequence >= settled).toBe(true);
  const state = states.find(({ sequence }) => sequence === answer.sequence);
  if (asks === "get") expect(answer).toEqual(toSeen(state));
  else if (asks !== "end" && !("token" in answer)) {
    // Nothing was new, so it left the state that it found.
    expect([asks.lifetime, asks.userId]).toEqual([undefined, undefined]);
    expect(state && apply(state, asks, 0n)).toEqual(state);
  }
}

/** What is to be seen of a session in this state. */
export function toSeen(state: State | undefined): Seen | undefined {
  if (state === undefined) return undefined;
  const { token: _token, isEnded: _isEnded, ...seen } = state;
  return seen;
}

/** The answer, if something was written. */
export function toWritten(answer: Answer): Written[] {
  return typeof answer === "object" && "token" in answer ? [answer] : [];
}

/** The highest sequence that these answers tell of, or the one that was known before. */
export function highest(known: bigint, answers: readonly Answer[]): bigint {
  const sequences = answers.flatMap((answer) => (typeof answer === "string" ? [] : answer.sequence));
  return sequences.reduce((a, b) => (a > b ? a : b), known);
}

// A session keeps its user and its end, so that whoever was refused because of one finds it in the last state.
function expectToBeJust(last: State | undefined, asks: Asks, failure: string): void {
  if (typeof asks === "object" && failure === failures.otherUser) {
    expect([undefined, asks.userId]).not.toContain(last?.userId);
  } else {
    expect(failure).toBe(asks === "get" ? failures.unknown : failures.ended);
    expect(last?.isEnded).toBe(true);
  }
}

function follow(before: State, { sequence, changedAt, token, change, clocks }: Written): State {
  expect(before.isEnded).toBe(false);
  expect(sequence).toBeGreaterThan(before.sequence);
  // The later of the two: time never goes back, whatever the clocks say.
  expect(clocks.map((clock) => (clock > before.changedAt ? clock : before.changedAt))).toContain(changedAt);
  if (change === undefined) return { ...before, sequence, changedAt, isEnded: true };
  const after = apply(before, change, clocks[0]);
  if (before.userId !== undefined) expect(after.userId).toBe(before.userId);
  return { ...after, sequence, changedAt, token };
}
