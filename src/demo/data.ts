import type { ImportedSession, ImportedUser } from "../sessions/bulk.ts";
import type { Instant } from "../sessions/instant.ts";
import { createDevices, type Device } from "./devices.ts";
import { createSession, longestSignIn } from "./logins.ts";
import { createPeople, personas } from "./people.ts";
import { createPersonaSessions } from "./personas.ts";
import { chance, createRandom, pick, pickWeighted, type Random } from "./random.ts";

/** What the demo shows. */
export interface DemoData {
  users: ImportedUser[];
  /** In the order in which they last changed. */
  sessions: ImportedSession[];
}

/** How many sessions the demo has. */
export const sessionCount = 5_000;

const hour = 3_600_000_000n;
const longestAge = 60n * 24n * hour;

/**
 * Three organizations, 200 users and 5,000 sessions of the 60 days before `now`, as a login page would have left them.
 *
 * The same seed and moment give the same data.
 */
export function createDemoData({ seed, now }: { seed: number; now: Instant }): DemoData {
  const random = createRandom(seed);
  const users = createPeople(random);
  // Mei Tanaka has no other sessions than those, so that the commands show the same at every start.
  const others = users.filter((user) => user !== personas.user);
  const devices = createDevices(random, others).map((device) => [device.usage, device] as const);
  const sessions = createPersonaSessions(random, now);
  while (sessions.length < sessionCount) {
    const device = pickWeighted(random, devices);
    // Who never got as far as saying who they are.
    const account = chance(random, 0.04) ? undefined : pick(random, device.accounts);
    sessions.push(createSession(random, { account, device, at: pickMoment(random, device, now) }, now));
  }
  return { users, sessions: sessions.sort((a, b) => Number(a.changedAt - b.changedAt)) };
}

// The later the likelier, and when the organization is at work.
function pickMoment(random: Random, { organization }: Device, now: Instant): Instant {
  while (true) {
    const age = BigInt(Math.floor(Number(longestAge) * random() ** 1.6)) + longestSignIn;
    const at = now - age;
    const there = new Date(Number((at + BigInt(organization.utcOffset) * hour) / 1_000n));
    if (chance(random, busyness(there.getUTCDay(), there.getUTCHours()))) return at;
  }
}

function busyness(weekday: number, hour: number): number {
  const isWeekend = weekday === 0 || weekday === 6;
  if (hour >= 8 && hour < 18) return isWeekend ? 0.3 : 1;
  if (hour >= 6 && hour < 23) return isWeekend ? 0.25 : 0.35;
  return 0.05;
}
