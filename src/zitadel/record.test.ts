import { describe, expect, test } from "vitest";
import { instantOfMs } from "../sessions/instant.ts";
import { readRecords } from "./record.ts";

const at = "2026-01-02T03:04:05.123456Z";
const instant = instantOfMs(Date.parse("2026-01-02T03:04:05.123Z")) + 456n;
const checked = { verifiedAt: at };
const ann = { ...checked, id: "ann", organizationId: "org" };
const smallest = { id: "s", creationDate: at };
const longest = "𝕒".repeat(200);

function readUser(user: object, beside: object = {}) {
  const [record] = readRecords(JSON.stringify({ user, ...beside }), "default");
  if (record?.kind !== "user") throw new Error("not a user");
  return record.user;
}

function readSession(session: object, beside: object = {}) {
  const [record, named] = readRecords(JSON.stringify({ session, ...beside }), "default");
  if (record?.kind !== "session") throw new Error("not a session");
  return { session: record.session, named };
}

describe("a user", () => {
  test("has every field of the line", () => {
    const user = {
      id: "ann",
      organizationId: "org",
      userName: "ann",
      loginName: "ann@example.com",
      displayName: "Ann",
      avatarUrl: "https://example.com/ann.png",
    };

    expect(readUser(user, { instanceId: "i" })).toMatchObject({ instanceId: "i", ...user });
  });

  test.each([
    ["left out", {}],
    ["null", { userName: null, loginName: null, displayName: null, avatarUrl: null }],
  ])("keeps the names that are stored if they are %s, and may be of the instance default", (_name, names) => {
    expect(readUser({ id: "ann", organizationId: "org", ...names })).toMatchObject({
      instanceId: "default",
      id: "ann",
      organizationId: "org",
      userName: undefined,
      loginName: undefined,
      displayName: undefined,
      avatarUrl: undefined,
    });
  });

  test.each([
    ["no id", { organizationId: "org" }, "id is missing"],
    ["an empty id", { id: "", organizationId: "org" }, "id must not be empty"],
    ["no organization", { id: "ann" }, "organizationId is missing"],
    ["null as organization", { id: "ann", organizationId: null }, "organizationId is missing"],
    ["a number as id", { id: 1, organizationId: "org" }, "id must be a text"],
    ["a number as name", { id: "ann", organizationId: "org", userName: 1 }, "userName must be a text"],
    ["a long id", { id: `${longest}x`, organizationId: "org" }, "id must be at most 200 characters long"],
    ["a tab in the id", { id: "a\tb", organizationId: "org" }, "id must not hold control characters"],
    ["an unknown key", { id: "ann", organizationId: "org", email: "" }, "email is not a known key"],
    ["a NUL", { id: "ann", organizationId: "org", displayName: "\0" }, "displayName holds a character that cannot be"],
    ["half a pair", { id: "ann", organizationId: "org", displayName: "\ud83d" }, "displayName holds a character that"],
    ["no date", { id: "ann", organizationId: "org", creationDate: "today" }, "creationDate must be a date between the"],
    [
      "a date that is none",
      { id: "ann", organizationId: "org", changeDate: "2026-02-30T00:00:00Z" },
      "changeDate must",
    ],
    ["a number as date", { id: "ann", organizationId: "org", changeDate: 1 }, "changeDate must be a date between the"],
    ["a text as deleted", { id: "ann", deleted: "true" }, "deleted must be true or false"],
    ["a number as deleted", { id: "ann", organizationId: "org", deleted: 0 }, "deleted must be true or false"],
  ])("with %s is refused", (_name, user, reason) => {
    expect(() => readUser(user)).toThrow(reason);
  });

  test("may be of no organization, which is said", () => {
    expect(readUser({ id: "ann", organizationId: "" })).toMatchObject({ organizationId: "" });
  });

  test("brings its dates, if it has any", () => {
    const user = { id: "ann", organizationId: "org" };

    expect(readUser({ ...user, creationDate: "2026-01-02T03:04:05Z", changeDate: at })).toMatchObject({
      createdAt: instant - 123_456n,
      changedAt: instant,
    });
    expect(readUser({ ...user, creationDate: null, changeDate: null })).toMatchObject({
      createdAt: undefined,
      changedAt: undefined,
    });
  });

  test.each([false, null])("is there if deleted is %s", (deleted) => {
    expect(readUser({ id: "ann", organizationId: "org", deleted })).toMatchObject({ id: "ann", organizationId: "org" });
  });
});

describe("a deleted user", () => {
  test("has an id and nothing else", () => {
    const line = JSON.stringify({ user: { id: "ann", deleted: true }, instanceId: "i" });

    expect(readRecords(line, "default")).toEqual([{ kind: "deleted_user", user: { instanceId: "i", id: "ann" } }]);
  });

  test.each([
    ["no id", { deleted: true }, "id is missing"],
    ["an empty id", { id: "", deleted: true }, "id must not be empty"],
    ["an organization", { id: "ann", organizationId: "org", deleted: true }, "organizationId must not stand beside"],
    [
      "a name that is null",
      { id: "ann", displayName: null, deleted: true },
      "displayName must not stand beside deleted",
    ],
    ["a state", { id: "ann", state: "inactive", deleted: true }, "state must not stand beside deleted"],
    ["an unknown key", { id: "ann", deletedAt: at, deleted: true }, "deletedAt must not stand beside deleted"],
  ])("with %s is refused", (_name, user, reason) => {
    expect(() => readRecords(JSON.stringify({ user }), "default")).toThrow(reason);
  });
});

describe("a session", () => {
  test("needs no more than an id and a creation date", () => {
    const { session, named } = readSession(smallest);

    expect(named).toBeUndefined();
    const { instanceId, id, createdAt, changedAt, metadata, ...others } = session;
    expect({ instanceId, id, createdAt, changedAt, metadata }).toEqual({
      instanceId: "default",
      id: "s",
      createdAt: instant,
      changedAt: instant,
      metadata: {},
    });
    expect(new Set(Object.values(others))).toEqual(new Set([null]));
  });

  test("has every field of the line", () => {
    const { session } = readSession(
      {
        id: "s",
        creationDate: "2026-01-02T03:04:05Z",
        changeDate: at,
        metadata: { flow: "AP8=" },
        userAgent: {
          fingerprintId: "f",
          ip: "10.0.0.1",
          description: "Firefox",
          header: { accept: { values: ["a", "b"] } },
        },
        expirationDate: "2026-01-02T05:04:05.123456789+02:00",
        creatorId: "login",
        endedAt: at,
        endReason: "signed_out",
        endedBy: "admin",
      },
      { instanceId: "i" },
    );

    expect(session).toMatchObject({
      instanceId: "i",
      createdAt: instant - 123_456n,
      changedAt: instant,
      metadata: { flow: "AP8=" },
      agentFingerprintId: "f",
      agentIp: "10.0.0.1",
      agentDescription: "Firefox",
      agentHeader: { accept: ["a", "b"] },
      expiresAt: instant,
      creatorId: "login",
      endedAt: instant,
      endReason: "signed_out",
      endedBy: "admin",
    });
  });

  test("brings its user along, who is called by the name they sign in with", () => {
    const names = { loginName: "ann@example.com", displayName: "Ann" };

    const { session, named } = readSession(
      { ...smallest, factors: { user: { ...ann, ...names } } },
      { instanceId: "i" },
    );

    expect(session).toMatchObject({ userId: "ann", organizationId: "org", userCheckedAt: instant });
    expect(named).toMatchObject({
      kind: "named_user",
      user: { instanceId: "i", id: "ann", organizationId: "org", ...names, userName: "ann@example.com", avatarUrl: "" },
    });
  });

  test.each([
    ["password", "passwordCheckedAt"],
    ["webAuthN", "webAuthNCheckedAt"],
    ["intent", "intentCheckedAt"],
    ["totp", "totpCheckedAt"],
    ["otpSms", "otpSmsCheckedAt"],
    ["otpEmail", "otpEmailCheckedAt"],
    ["recoveryCode", "recoveryCodeCheckedAt"],
  ])("has a factor %s, which needs a user and a date", (factor, column) => {
    const { session } = readSession({ ...smallest, factors: { user: ann, [factor]: checked } });

    expect(session).toMatchObject({ [column]: instant });
    expect(() => readSession({ ...smallest, factors: { [factor]: checked } })).toThrow(
      `factors.${factor} needs a user`,
    );
    expect(() => readSession({ ...smallest, factors: { user: ann, [factor]: {} } })).toThrow(
      `factors.${factor}.verifiedAt is missing`,
    );
  });

  test.each([
    [{}, false],
    [{ userVerified: false }, false],
    [{ userVerified: true }, true],
  ])("has a passkey %o that verified its user: %s", (more, userVerified) => {
    const { session } = readSession({ ...smallest, factors: { user: ann, webAuthN: { ...checked, ...more } } });

    expect(session.webAuthNUserVerified).toBe(userVerified);
  });

  test.each([
    ["an empty text stays one", { fingerprintId: "", ip: "", description: "" }, { fingerprintId: "", ip: "" }],
    ["a header without values", { header: { accept: {} } }, { header: { accept: [] } }],
    ["no part at all", {}, {}],
    ["IPv6 in capitals", { ip: "2001:DB8:0:0:0:0:0:1" }, { ip: "2001:db8::1" }],
    ["IPv6 with one zero group", { ip: "2001:db8:0:1:1:1:1:1" }, { ip: "2001:db8:0:1:1:1:1:1" }],
    ["IPv4 in IPv6", { ip: "::FFFF:10.0.0.1" }, { ip: "10.0.0.1" }],
    ["IPv4 in IPv6 in hexadecimal", { ip: "::ffff:a00:1" }, { ip: "10.0.0.1" }],
  ])("has a user agent: %s", (_name, userAgent, { fingerprintId, ip, header }: Record<string, unknown>) => {
    const { session } = readSession({ ...smallest, userAgent });

    expect(session.agentFingerprintId).toBe(fingerprintId ?? null);
    expect(session.agentIp).toBe(ip ?? null);
    expect(session.agentHeader).toEqual(header ?? null);
  });

  test.each([
    ["snake_case", { id: "s", creation_date: at, user_agent: { fingerprint_id: "f" } }],
    [
      "null for what is not there",
      { ...smallest, factors: null, creatorId: null, endedAt: null, endReason: null, endedBy: null },
    ],
    ["factors of nobody", { ...smallest, factors: {} }],
    ["the first date", { ...smallest, creationDate: "0001-01-01T00:00:00Z" }],
    ["the last date", { ...smallest, creationDate: "9999-12-31T23:59:59.999999999Z" }],
    ["a leap day", { ...smallest, creationDate: "2024-02-29T00:00:00Z" }],
    ["a long id", { ...smallest, id: longest }],
    ["base64 for URLs", { ...smallest, metadata: { a: "-_8" } }],
    ["an escaped text that looks bad", { ...smallest, userAgent: { description: "\\u0000 😀" } }],
    ["an end at its creation", { ...smallest, endedAt: at }],
    ["an end by somebody for no reason", { ...smallest, endedAt: at, endedBy: "admin" }],
    ["a user of no organization", { ...smallest, factors: { user: { ...ann, organizationId: "" } } }],
    ["such a user in snake_case", { ...smallest, factors: { user: { ...checked, id: "ann", organization_id: "" } } }],
    ["a fingerprint of any characters", { ...smallest, userAgent: { fingerprintId: "a\tb" } }],
  ])("may have %s", (_name, session) => {
    expect(() => readSession(session)).not.toThrow();
  });

  test("keeps metadata of any key and any bytes", () => {
    const { session } = readSession({ ...smallest, metadata: JSON.parse('{"__proto__":"-_8","":"","é\\"":"AA"}') });

    expect(Object.entries(session.metadata)).toEqual([
      ["__proto__", "+/8="],
      ["", ""],
      ['é"', "AA=="],
    ]);
  });

  test.each([
    ["no id", { creationDate: at }, "id must not be empty"],
    ["a number as id", { ...smallest, id: 1 }, "id must be a text"],
    ["a long id", { ...smallest, id: `${longest}x` }, "id must be at most 200 characters long"],
    ["a line end in the id", { ...smallest, id: "a\nb" }, "id must not hold control characters"],
    ["no creation date", { id: "s" }, "creationDate is missing"],
    ["an empty creator", { ...smallest, creatorId: "" }, "creatorId must not be empty"],
    ["a number as creator", { ...smallest, creatorId: 1 }, "creatorId must be a text"],
    ["a change before", { ...smallest, changeDate: "2026-01-01T00:00:00Z" }, "changeDate must not be before creation"],
    ["an end before", { ...smallest, endedAt: "2026-01-01T00:00:00Z" }, "endedAt must not be before creationDate"],
    ["a reason without end", { ...smallest, endReason: "x" }, "endReason needs endedAt"],
    ["somebody who ended it without end", { ...smallest, endedBy: "x" }, "endedBy needs endedAt"],
    ["somebody who did not end it", { ...smallest, endedAt: null, endedBy: "x" }, "endedBy needs endedAt"],
    ["an empty id of who ended it", { ...smallest, endedAt: at, endedBy: "" }, "endedBy must not be empty"],
    ["a number as who ended it", { ...smallest, endedAt: at, endedBy: 1 }, "endedBy must be a text"],
    ["a number as reason", { ...smallest, endedAt: at, endReason: 1 }, "endReason must be a text"],
    ["a sequence", { ...smallest, sequence: "1" }, "sequence is given by Rollcall"],
    ["an unknown key", { ...smallest, tokens: "x" }, "tokens is not a known key"],
    ["two spellings", { ...smallest, creation_date: at }, "creation_date is given twice"],
    ["an unknown factor", { ...smallest, factors: { user: ann, sms: checked } }, "factors.sms is not a known key"],
    ["an unknown key of a user", { ...smallest, factors: { user: { ...ann, x: 1 } } }, "factors.user.x is not a known"],
    ["a text as factors", { ...smallest, factors: "x" }, "factors must be an object"],
    ["a list as user", { ...smallest, factors: { user: [] } }, "factors.user must be an object"],
    ["a user without id", { ...smallest, factors: { user: { ...ann, id: "" } } }, "factors.user.id must not be empty"],
    [
      "a user without organization",
      { ...smallest, factors: { user: { ...checked, id: "ann" } } },
      "factors.user.organizationId is missing",
    ],
    [
      "a user of null as organization",
      { ...smallest, factors: { user: { ...ann, organizationId: null } } },
      "factors.user.organizationId is missing",
    ],
    [
      "a user without date",
      { ...smallest, factors: { user: { id: "ann", organizationId: "org" } } },
      "factors.user.verifiedAt is missing",
    ],
    [
      "a text for a truth",
      { ...smallest, factors: { user: ann, webAuthN: { ...checked, userVerified: "true" } } },
      "factors.webAuthN.userVerified must be true or false",
    ],
    ["a text as metadata", { ...smallest, metadata: "x" }, "metadata must be an object"],
    ["no base64", { ...smallest, metadata: { "a b": "%" } }, 'metadata["a b"] must be base64'],
    ["a number in metadata", { ...smallest, metadata: { a: 1 } }, 'metadata["a"] must be a text'],
    ["null in metadata", { ...smallest, metadata: { a: null } }, 'metadata["a"] must be a text'],
    ["a host as IP", { ...smallest, userAgent: { ip: "localhost" } }, "userAgent.ip must be an IPv4 or IPv6 address"],
    ["an IP with a zone", { ...smallest, userAgent: { ip: "fe80::1%eth0" } }, "userAgent.ip must be an IPv4 or IPv6"],
    ["an IP with a port", { ...smallest, userAgent: { ip: "10.0.0.1:80" } }, "userAgent.ip must be an IPv4 or IPv6"],
    [
      "a long fingerprint",
      { ...smallest, userAgent: { fingerprintId: `${longest}x` } },
      "userAgent.fingerprintId must be at most 200 characters long",
    ],
    ["a plain header", { ...smallest, userAgent: { header: { a: ["x"] } } }, 'userAgent.header["a"] must be an object'],
    [
      "a text as values",
      { ...smallest, userAgent: { header: { a: { values: "x" } } } },
      'userAgent.header["a"].values must be a list',
    ],
    [
      "a number in a header",
      { ...smallest, userAgent: { header: { a: { values: [1] } } } },
      'userAgent.header["a"].values must be a text',
    ],
    ["a NUL", { ...smallest, userAgent: { description: "\0" } }, "userAgent.description holds a character that cannot"],
    ["half a pair", { ...smallest, endedAt: at, endReason: "\udc00" }, "endReason holds a character that cannot be"],
    ["a NUL in a key", { ...smallest, metadata: { "\0": "" } }, "a key of metadata holds a character that cannot"],
  ])("with %s is refused", (_name, session, reason) => {
    expect(() => readSession(session)).toThrow(reason);
  });

  test.each([
    "2026-01-02",
    "2026-01-02 03:04:05Z",
    "2026-01-02T03:04:05",
    "2026-02-30T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2026-01-32T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:60Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "10000-01-01T00:00:00Z",
    1_767_225_600,
    { seconds: 1 },
  ])("with the date %j is refused, wherever it is", (date) => {
    const dated = [
      ["creationDate", { id: "s", creationDate: date }],
      ["changeDate", { ...smallest, changeDate: date }],
      ["expirationDate", { ...smallest, expirationDate: date }],
      ["endedAt", { ...smallest, endedAt: date }],
      ["factors.user.verifiedAt", { ...smallest, factors: { user: { ...ann, verifiedAt: date } } }],
    ] as const;

    for (const [field, session] of dated) {
      expect(() => readSession(session)).toThrow(`${field} must be a date between the years 1 and 9999`);
    }
  });
});

describe("a line", () => {
  test.each([
    ["nothing", "", "the line is not JSON"],
    ["no JSON", "{", "the line is not JSON"],
    ["a list", "[]", "the line must be a JSON object"],
    ["null", "null", "the line must be a JSON object"],
    ["neither", "{}", 'the line must hold one object, "user" or "session"'],
    ["null for both", '{"user":null,"session":null}', 'the line must hold one object, "user" or "session"'],
    ["both", '{"user":{},"session":{}}', 'the line must hold one object, "user" or "session"'],
    ["a text", '{"user":"ann"}', 'the line must hold one object, "user" or "session"'],
    ["an unknown key", '{"user":{},"organization":{}}', "organization is not a known key"],
    ["an empty instance", '{"user":{},"instanceId":""}', "instanceId must not be empty"],
    ["a number as instance", '{"user":{},"instanceId":1}', "instanceId must be a text"],
    [
      "a nest without end",
      `{"session":{"id":"\\u0000","x":${"[".repeat(400_000)}${"]".repeat(400_000)}}}`,
      "id holds a char",
    ],
    [
      "another one",
      `{"session":{"x":${"[".repeat(400_000)}${"]".repeat(400_000)},"id":"\\ud83d\\ude00"}}`,
      "x is not a known key",
    ],
    ["a NUL in the instance", '{"user":{},"instanceId":"\\u0000"}', "instanceId holds a character that cannot be"],
  ])("with %s is refused", (_name, line, reason) => {
    expect(() => readRecords(line, "default")).toThrow(reason);
  });

  test("may have null for the other one", () => {
    expect(readRecords(JSON.stringify({ user: null, session: smallest }), "default")).toHaveLength(1);
  });

  test("may have spaces around and CR at its end", () => {
    const line = ` ${JSON.stringify({ session: smallest, instanceId: null })} \r`;

    expect(readRecords(line, "own")).toMatchObject([{ kind: "session", session: { instanceId: "own" } }]);
  });
});
