import type { ImportedSession, ImportedUser } from "../sessions/bulk.ts";
import type { Instant } from "../sessions/instant.ts";
import { bareSession } from "../sessions/schema.ts";
import type { Device } from "./devices.ts";
import { demoInstanceId } from "./people.ts";
import { chance, hex, integer, pick, pickWeighted, type Random, type Weighted } from "./random.ts";

/** Someone opens a session: who (undefined if they never said), where and when. */
export interface Login {
  account: ImportedUser | undefined;
  device: Device;
  at: Instant;
}

type Factor = "password" | "webAuthN" | "intent" | "totp" | "otpSms" | "otpEmail" | "recoveryCode";

interface SignIn {
  factors: readonly Factor[];
  /** For webAuthN: true for a passkey, false for a security key behind a password. */
  isVerified?: boolean;
}

/** The service users of the login page and of the apps' servers: sessions are created by them. */
export const loginServices = { browser: "318838625774108680", app: "318838632401133576" };

const second = 1_000_000n;
const hour = 3_600n * second;
const day = 24n * hour;

const signIns: Weighted<SignIn> = [
  [30, { factors: ["password"] }],
  [20, { factors: ["password", "totp"] }],
  [18, { factors: ["webAuthN"], isVerified: true }],
  [8, { factors: ["intent"] }],
  [7, { factors: ["password", "otpSms"] }],
  [6, { factors: ["password", "otpEmail"] }],
  [6, { factors: ["password", "webAuthN"], isVerified: false }],
  [2, { factors: ["password", "recoveryCode"] }],
  [2, { factors: ["intent", "totp"] }],
  [1, { factors: [] }],
];
const browserLifetimes: Weighted<bigint | null> = [
  [4, 12n * hour],
  [3, 10n * day],
  [2, 30n * day],
  [1, null],
];
const appLifetimes: Weighted<bigint | null> = [
  [2, 90n * day],
  [1, null],
];
const endReasons: Weighted<string> = [
  [70, "signed_out"],
  [12, "signed_out_everywhere"],
  [9, "password_changed"],
  [6, "ended_by_administrator"],
  [3, "user_deactivated"],
];

/** The session that came of a login, as it is at `now`: still open, expired, or ended. */
export function createSession(random: Random, { account, device, at }: Login, now: Instant): ImportedSession {
  const opened: ImportedSession = {
    ...createEmptySession(random, at),
    creatorId: device.isApp ? loginServices.app : loginServices.browser,
    metadata: chance(random, 0.3) ? createMetadata(random, device) : {},
    ...(chance(random, 0.03) ? {} : createAgent(random, device)),
    expiresAt: addTo(at, account ? pickWeighted(random, device.isApp ? appLifetimes : browserLifetimes) : hour),
  };
  if (account === undefined) return opened;
  const signedIn = signIn(random, opened, account);
  const confirmed = chance(random, 0.15) ? confirmAgain(random, signedIn, now) : signedIn;
  return chance(random, 0.16) ? end(random, confirmed, now) : confirmed;
}

/** A session created at that time, of which nothing else is known yet. */
export function createEmptySession(random: Random, at: Instant): ImportedSession {
  return { ...bareSession, instanceId: demoInstanceId, id: createSessionId(random, at), createdAt: at, changedAt: at };
}

/** The longest that signing in takes, from the creation of a session to its last factor. */
export const longestSignIn: bigint = 150n * second;

function signIn(random: Random, session: ImportedSession, { id, organizationId }: ImportedUser): ImportedSession {
  const { factors, isVerified = false } = pickWeighted(random, signIns);
  let at = session.createdAt + randomTime(random, second);
  const signedIn: ImportedSession = { ...session, userId: id, organizationId, userCheckedAt: at };
  for (const factor of factors) {
    at += 2n * second + randomTime(random, 60n * second);
    signedIn[`${factor}CheckedAt`] = at;
    if (factor === "webAuthN") signedIn.webAuthNUserVerified = isVerified;
  }
  return { ...signedIn, changedAt: at };
}

// Before something delicate, the app asks for a factor once more.
function confirmAgain(random: Random, session: ImportedSession, now: Instant): ImportedSession {
  const at = randomBetween(random, session.changedAt, lastMoment(session, now));
  if (session.totpCheckedAt) return { ...session, totpCheckedAt: at, changedAt: at };
  if (session.webAuthNCheckedAt) return { ...session, webAuthNCheckedAt: at, changedAt: at };
  if (session.passwordCheckedAt) return { ...session, passwordCheckedAt: at, changedAt: at };
  return session;
}

function end(random: Random, session: ImportedSession, now: Instant): ImportedSession {
  const endedAt = randomBetween(random, session.changedAt, lastMoment(session, now));
  return { ...session, endedAt, endReason: pickWeighted(random, endReasons), changedAt: endedAt };
}

function lastMoment({ expiresAt }: ImportedSession, now: Instant): Instant {
  return expiresAt && expiresAt < now ? expiresAt : now;
}

function createAgent(random: Random, { fingerprintId, userAgent, languages, ips }: Device): Partial<ImportedSession> {
  return {
    agentFingerprintId: fingerprintId,
    agentIp: pick(random, ips),
    agentDescription: userAgent.description,
    agentHeader: { "user-agent": [userAgent.header], "accept-language": [languages] },
  };
}

function createMetadata(random: Random, { languages }: Device): Record<string, string> {
  const texts = {
    locale: languages.split(",", 1).join(),
    application: pick(random, ["portal", "rota", "library", "expenses"]),
    risk_score: String(integer(random, 0, 99)),
  };
  const stored = Object.entries(texts).filter(() => chance(random, 0.6));
  return Object.fromEntries(stored.map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
}

// RFC 9562, version 7.
function createSessionId(random: Random, at: Instant): string {
  const time = (at / 1_000n).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(random, 3)}-${pick(random, ["8", "9", "a", "b"])}${hex(random, 3)}-${hex(random, 12)}`;
}

function addTo(at: Instant, duration: bigint | null): Instant | null {
  return duration === null ? null : at + duration;
}

function randomBetween(random: Random, from: Instant, to: Instant): Instant {
  return from + randomTime(random, to - from);
}

function randomTime(random: Random, longest: bigint): bigint {
  return BigInt(Math.floor(random() * Number(longest)));
}
