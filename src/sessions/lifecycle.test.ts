import { describe, expect, test } from "vitest";
import { maxInstant, readInstant } from "./instant.ts";
import { maxMetadataBytes, type SessionChange, toChanged, toChanges } from "./lifecycle.ts";
import { bareSession, type FactorName, type Session } from "./schema.ts";

const now = readInstant("2026-03-01 12:00:00.123456+00");
const ann = { id: "ann", organizationId: "org-2" };
const bob = { id: "bob", organizationId: "org-1" };
const nobody = { userId: null, organizationId: null, userCheckedAt: null };

const givenSession = (session: Partial<Session>): Session => ({
  ...bareSession,
  instanceId: "default",
  id: "a-session",
  createdAt: 1n,
  changedAt: 1n,
  sequence: 1n,
  userId: "ann",
  organizationId: "org-1",
  userCheckedAt: 1n,
  ...session,
});
const toChange = (change: Partial<SessionChange> = {}): SessionChange => ({
  user: undefined,
  proof: undefined,
  isChallenged: false,
  metadata: {},
  lifetime: undefined,
  ...change,
});
const proofOf = (userId: string, ...factors: [FactorName, boolean][]) => ({
  userId,
  factors: factors.map(([name, userVerified]) => ({ name, userVerified })),
});

describe("a change comes to", () => {
  test.each<[string, Partial<Session>, Partial<SessionChange>, Partial<Session>]>([
    [
      "the user, of their organization, checked now",
      nobody,
      { user: bob },
      { userId: "bob", organizationId: "org-1", userCheckedAt: now },
    ],
    [
      "the same user, checked again, of the organization that they are of now",
      {},
      { user: ann },
      { userId: "ann", organizationId: "org-2", userCheckedAt: now },
    ],
    ["a factor, checked now", {}, { proof: proofOf("ann", ["password", false]) }, { passwordCheckedAt: now }],
    [
      "a factor, checked again",
      { totpCheckedAt: 1n },
      { proof: proofOf("ann", ["totp", false]) },
      { totpCheckedAt: now },
    ],
    [
      "several factors",
      {},
      { proof: proofOf("ann", ["intent", false], ["otpSms", false], ["otpEmail", false], ["recoveryCode", false]) },
      { intentCheckedAt: now, otpSmsCheckedAt: now, otpEmailCheckedAt: now, recoveryCodeCheckedAt: now },
    ],
    [
      "a passkey that made sure of its user",
      {},
      { proof: proofOf("ann", ["webAuthN", true]) },
      { webAuthNCheckedAt: now, webAuthNUserVerified: true },
    ],
    [
      "a passkey that did not, though one did before",
      { webAuthNCheckedAt: 1n, webAuthNUserVerified: true },
      { proof: proofOf("ann", ["webAuthN", false]) },
      { webAuthNCheckedAt: now, webAuthNUserVerified: false },
    ],
    [
      "a user and what they have proven, together",
      nobody,
      { user: bob, proof: proofOf("bob", ["password", false]) },
      { userId: "bob", organizationId: "org-1", userCheckedAt: now, passwordCheckedAt: now },
    ],
    ["a time from when a challenge was started", {}, { isChallenged: true }, {}],
    ["an end a lifetime from now", { expiresAt: null }, { lifetime: 5n }, { expiresAt: now + 5n }],
    ["an end that is earlier than before", {}, { lifetime: 1n }, { expiresAt: now + 1n }],
    ["the latest end there is", {}, { lifetime: maxInstant - now }, { expiresAt: maxInstant }],
    ["a key", {}, { metadata: { a: "YQ==" } }, { metadata: { a: "YQ==" } }],
    [
      "a key beside others",
      { metadata: { b: "Yg==" } },
      { metadata: { a: "YQ==" } },
      { metadata: { a: "YQ==", b: "Yg==" } },
    ],
    ["another value of a key", { metadata: { a: "Yg==" } }, { metadata: { a: "YQ==" } }, { metadata: { a: "YQ==" } }],
    ["a key less", { metadata: { a: "YQ==", b: "Yg==" } }, { metadata: { a: "" } }, { metadata: { b: "Yg==" } }],
    [
      "a key less and a key more, beside one that stays",
      { metadata: { a: "YQ==", b: "Yg==" } },
      { metadata: { a: "", b: "Yg==", c: "Yw==" } },
      { metadata: { b: "Yg==", c: "Yw==" } },
    ],
    [
      "a key of the name of what every object has",
      {},
      { metadata: { constructor: "YQ==" } },
      { metadata: { constructor: "YQ==" } },
    ],
  ])("%s", (_name, session, change, expected) => {
    expect(toChanges(givenSession(session), toChange(change), now)).toEqual({ ...expected, changedAt: now });
  });
});

describe("a change comes to nothing", () => {
  test.each<[string, Partial<Session>, Partial<SessionChange>]>([
    ["if nothing is asked for", {}, {}],
    ["if the metadata is so already", { metadata: { a: "YQ==", b: "Yg==" } }, { metadata: { a: "YQ==" } }],
    ["if a key is taken away that is not there", { metadata: { b: "Yg==" } }, { metadata: { a: "" } }],
    ["if a key that every object has is taken away", {}, { metadata: { constructor: "" } }],
    ["if a proof has no factor", {}, { proof: proofOf("ann") }],
  ])("%s", (_name, session, change) => {
    expect(toChanges(givenSession(session), toChange(change), now)).toBeUndefined();
  });
});

describe("a change is refused", () => {
  const terminated = { reason: "session_terminated" };
  const expired = { reason: "session_expired" };
  const otherUser = { reason: "invalid_request", message: "user change not possible" };

  test.each<[string, Partial<Session>, Partial<SessionChange>, object]>([
    ["of a session that was ended", { endedAt: now - 1n }, {}, terminated],
    ["of one that was ended and would have expired", { endedAt: 1n, expiresAt: 2n }, {}, terminated],
    ["of one that will have been ended, by another clock", { endedAt: now + 1n }, {}, terminated],
    ["of one that has expired", { expiresAt: now - 1n }, { lifetime: 5n }, expired],
    ["of one that expires in this moment", { expiresAt: now }, { lifetime: 5n }, expired],
    ["to another user", {}, { user: bob }, otherUser],
    ["by what another user has proven", {}, { proof: proofOf("bob", ["totp", false]) }, otherUser],
    [
      "by what somebody has proven of a session without a user",
      nobody,
      { proof: proofOf("bob", ["totp", false]) },
      otherUser,
    ],
    [
      "by what the one user has proven while it becomes the other's",
      nobody,
      { user: ann, proof: proofOf("bob", ["totp", false]) },
      otherUser,
    ],
    ["to an end behind the latest there is", {}, { lifetime: maxInstant - now + 1n }, { reason: "invalid_request" }],
  ])("%s", (_name, session, change, expected) => {
    expect(failureOf(() => toChanges(givenSession(session), toChange(change), now))).toMatchObject(expected);
  });

  test("but not in the last moment before it expires", () => {
    expect(toChanges(givenSession({ expiresAt: now + 1n }), toChange({ lifetime: 5n }), now)).toBeDefined();
  });
});

describe("the metadata of a session", () => {
  const base64 = (bytes: number) => Buffer.alloc(bytes).toString("base64");
  const tooLarge = { reason: "invalid_request", message: expect.stringMatching(/^metadata: .*65536 bytes/) };

  test.each([
    ["all in one value", {}, { a: base64(maxMetadataBytes - 1) }],
    ["in several values", { a: base64(1_000) }, { b: base64(maxMetadataBytes - 1_002) }],
    ["in place of what was there", { a: base64(maxMetadataBytes - 1) }, { a: base64(maxMetadataBytes - 2), b: "" }],
    ["once a key is gone", { a: base64(maxMetadataBytes - 1) }, { a: "", b: base64(maxMetadataBytes - 1) }],
    ["with a key of more bytes than characters", {}, { ä: base64(maxMetadataBytes - 2) }],
  ])("may take its limit: %s", (_name, metadata, given) => {
    expect(toChanges(givenSession({ metadata }), toChange({ metadata: given }), now)).toBeDefined();
  });

  test.each([
    ["in one value", {}, { a: base64(maxMetadataBytes) }],
    ["with what was there", { a: base64(1_000) }, { b: base64(maxMetadataBytes - 1_001) }],
    ["by the length of a key", {}, { aa: base64(maxMetadataBytes - 1) }],
    ["with a key of more bytes than characters", {}, { ä: base64(maxMetadataBytes - 1) }],
  ])("may not take more: %s", (_name, metadata, given) => {
    const change = () => toChanges(givenSession({ metadata }), toChange({ metadata: given }), now);

    expect(failureOf(change)).toMatchObject(tooLarge);
  });
});

describe("the time of a change", () => {
  test.each([
    ["is now", now - 1n, now],
    ["may be the one of the change before", now, now],
    ["is not before that of the change before, whatever the clock says", now + 5n, now + 5n],
  ])("%s", (_name, changedAt, expected) => {
    expect(toChanged({ changedAt }, now)).toEqual({ changedAt: expected });
    expect(toChanges(givenSession({ changedAt }), toChange({ isChallenged: true }), now)).toEqual({
      changedAt: expected,
    });
  });
});

function failureOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
