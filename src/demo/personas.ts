import type { ImportedSession, ImportedUser } from "../sessions/bulk.ts";
import type { Instant } from "../sessions/instant.ts";
import { createEmptySession, loginServices } from "./logins.ts";
import { personas } from "./people.ts";
import type { Random } from "./random.ts";

/** The fingerprint of Mei Tanaka's browser, whose accounts the demo's commands list. */
export const meisBrowserId = "5b1d7c52-6a0e-4f7b-9f5e-2c8f1f6f3a90";

const meisPhone = {
  agentFingerprintId: "e3a7f0c8-94b1-4d0e-8f57-1b6c20d9a5e4",
  agentIp: "198.51.100.73",
  agentDescription: "Safari 26.3 on iOS",
  agentHeader: {
    "user-agent": [
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.3 Mobile/15E148 Safari/604.1",
    ],
    "accept-language": ["de-CH,de;q=0.9"],
  },
} satisfies Partial<ImportedSession>;

const meisBrowser = {
  agentFingerprintId: meisBrowserId,
  agentIp: "2001:db8:51e:7c20:b8a4:9d1f:63c2:e07d",
  agentDescription: "Chrome 150 on macOS",
  agentHeader: {
    "user-agent": [
      "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36",
    ],
    "accept-language": ["de-CH,de;q=0.9,en;q=0.8,ja;q=0.7"],
  },
} satisfies Partial<ImportedSession>;

// Odd ones: nothing that people do happens on the second.
const second = 1_000_417n;
const hour = 3_600_291_853n;
const day = 24n * hour;

/**
 * The sessions in Mei Tanaka's browser, and one on her phone: those of her two accounts stay live however long the
 * demo's data is kept, a colleague has signed out, and a visitor's has expired.
 */
export function createPersonaSessions(random: Random, now: Instant): ImportedSession[] {
  const { user, userAtUniversity, colleague, visitor } = personas;
  const mei = open(random, user, now - 3n * hour);
  const meiBefore = open(random, user, now - 6n * day);
  const meiAtUniversity = open(random, userAtUniversity, now - 2n * day);
  const jonas = open(random, colleague, now - 5n * day);
  const amara = open(random, visitor, now - 9n * day);
  const meiOnPhone = { ...open(random, user, now - 4n * day), ...meisPhone };
  return [
    { ...amara, otpEmailCheckedAt: amara.changedAt, expiresAt: amara.createdAt + 12n * hour },
    endAfter(meiBefore, 9n * hour),
    endAfter({ ...jonas, totpCheckedAt: jonas.changedAt }, 2n * hour),
    {
      ...meiAtUniversity,
      webAuthNCheckedAt: meiAtUniversity.changedAt,
      webAuthNUserVerified: true,
      metadata: { application: Buffer.from("library").toString("base64") },
    },
    { ...meiOnPhone, webAuthNCheckedAt: meiOnPhone.changedAt, webAuthNUserVerified: true },
    { ...mei, passwordCheckedAt: mei.createdAt + 9n * second, totpCheckedAt: mei.changedAt },
  ];
}

function open(random: Random, { id, organizationId }: ImportedUser, at: Instant): ImportedSession {
  return {
    ...createEmptySession(random, at),
    changedAt: at + 21n * second,
    creatorId: loginServices.browser,
    userId: id,
    organizationId,
    userCheckedAt: at,
    ...meisBrowser,
  };
}

function endAfter(session: ImportedSession, duration: bigint): ImportedSession {
  const endedAt = session.createdAt + duration;
  return { ...session, endedAt, endReason: "signed_out", changedAt: endedAt };
}
