import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { at, givenSession, givenUser } from "../../test/support/rows.ts";
import { type Instant, maxInstant, minInstant } from "../sessions/instant.ts";
import type { JsonObject, Session, User } from "../sessions/schema.ts";
import { readRecords } from "./record.ts";
import { writeSession, writeUser } from "./write-record.ts";

const id = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }).filter((text) => !/\p{Cc}/u.test(text));
const text = fc.string({ unit: "binary", maxLength: 30 }).map((characters) => characters.replaceAll("\0", ""));
// Protobuf's maps cannot hold it, so no list shows it either.
const key = text.filter((name) => name !== "__proto__");
const date = fc.bigInt({ min: minInstant, max: maxInstant });
const maybeDate = fc.option(date);
const organizationId = fc.oneof(id, fc.constant(""));

describe("a session", () => {
  test("that is written is read as it was, but for its sequence and its token", () => {
    fc.assert(
      fc.property(anySession(), fc.option(anyUser()), (session, user) => {
        const [read] = readLines(writeSession({ session, user }));

        const { sequence: _sequence, tokenHash: _tokenHash, ...written } = session;
        const { endedAt = null, endReason = null, endedBy = null, ...others } = Object(read?.["session"]);
        expect({ ...others, endedAt, endReason, endedBy }).toEqual(written);
      }),
    );
  });

  test("is never written with its token, or its hash", () => {
    const tokenHash = Buffer.from("0123456789abcdef0123456789abcdef");

    const line = writeSession({ session: givenSession({ tokenHash }), user: givenUser() });

    expect(line).not.toMatch(/token/i);
    expect(line).not.toContain("0123456789abcdef");
    expect(line).not.toContain(tokenHash.toString("hex"));
    expect(line).not.toContain(tokenHash.toString("base64"));
  });

  test("that is open is not opened again where it was ended", () => {
    const [read] = readLines(writeSession({ session: givenSession(), user: null }));

    expect(read?.["session"]).not.toHaveProperty("endedAt");
  });

  test("is one line, whatever its texts are, with its dates to the microsecond", () => {
    const agentDescription = 'a\nb\r\u2028\\"';
    const session = givenSession({ agentDescription, createdAt: at("10:00:00.000001") });

    const line = writeSession({ session, user: null });

    expect(line.split("\n")).toEqual([expect.any(String), ""]);
    expect(JSON.parse(line)).toMatchObject({
      instanceId: "default",
      session: { creationDate: "2026-03-01T10:00:00.000001Z", userAgent: { description: agentDescription } },
    });
  });
});

describe("a user", () => {
  test("that is written is read as they were", () => {
    fc.assert(
      fc.property(anyUser(), (user) => {
        expect(readLines(writeUser(user))).toEqual([{ kind: "user", user }]);
      }),
    );
  });

  test("who was deleted is written as deleted, and what is left of them behind it", () => {
    const user = givenUser({ state: "deleted", userName: "", loginName: "", displayName: "" });

    const [deletion, rest] = readLines(writeUser(user));

    expect(deletion).toEqual({ kind: "deleted_user", user: { instanceId: "default", id: "ann" } });
    expect(rest).toEqual({ kind: "user", user: { ...user, state: undefined } });
  });
});

function readLines(lines: string): Record<string, unknown>[] {
  return lines
    .trimEnd()
    .split("\n")
    .flatMap((line) => readRecords(line, "default"))
    .filter(({ kind }) => kind !== "named_user")
    .map((record) => ({ ...record }));
}

function anyUser(): fc.Arbitrary<User> {
  // As a database gives it, which knows no -0.
  const json = fc.option(
    fc.dictionary(key, fc.jsonValue({ maxDepth: 3 })).map((value): JsonObject => JSON.parse(JSON.stringify(value))),
  );
  return fc.record({
    instanceId: id,
    id,
    organizationId,
    userName: text,
    loginName: text,
    displayName: text,
    avatarUrl: text,
    state: fc.constantFrom("active", "inactive"),
    traits: json,
    schemaId: id,
    metadataPublic: json,
    availableAal: fc.constantFrom("aal1", "aal2", null),
    createdAt: date,
    changedAt: date,
  });
}

function anySession(): fc.Arbitrary<Session> {
  const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value).toString("base64"));
  const factors = fc.record({
    userId: id,
    organizationId,
    userCheckedAt: date,
    passwordCheckedAt: maybeDate,
    passkey: fc.option(fc.record({ webAuthNCheckedAt: date, webAuthNUserVerified: fc.boolean() })),
    intentCheckedAt: maybeDate,
    totpCheckedAt: maybeDate,
    otpSmsCheckedAt: maybeDate,
    otpEmailCheckedAt: maybeDate,
    recoveryCodeCheckedAt: maybeDate,
  });
  const others = fc.record({
    id,
    instanceId: id,
    metadata: fc.dictionary(key, bytes, { maxKeys: 3 }),
    agentFingerprintId: fc.option(fc.oneof(text, fc.constant(""))),
    agentIp: fc.option(fc.oneof(fc.ipV4(), fc.constantFrom("", "::", "2001:db8::1"))),
    agentDescription: fc.option(text),
    agentHeader: fc.option(fc.dictionary(key, fc.array(text, { maxLength: 3 }), { minKeys: 1, maxKeys: 3 })),
    creatorId: fc.option(id),
    expiresAt: maybeDate,
    tokenHash: fc.option(fc.constant(Buffer.alloc(32))),
  });
  const end = fc.option(fc.record({ endReason: fc.option(text), endedBy: fc.option(id) }));
  return fc.tuple(others, fc.option(factors), fc.tuple(date, date, date), end).map(([row, checks, dates, ended]) => {
    const [createdAt = 0n, changedAt = 0n, endedAt = 0n] = dates.toSorted(byInstant);
    const { passkey = null, ...checked } = checks ?? noFactors;
    const noPasskey = { webAuthNCheckedAt: null, webAuthNUserVerified: null };
    const notEnded = { endedAt: null, endReason: null, endedBy: null };
    return givenSession({
      ...row,
      ...checked,
      ...(passkey ?? noPasskey),
      createdAt,
      changedAt,
      ...(ended === null ? notEnded : { ...ended, endedAt }),
    });
  });
}

const noFactors = { passkey: null, userId: null, organizationId: null, userCheckedAt: null };

function byInstant(one: Instant, other: Instant): number {
  return one < other ? -1 : 1;
}
