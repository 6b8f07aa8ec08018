import type { JsonObject } from "@bufbuild/protobuf";
import type { JWTPayload } from "jose";
import { afterAll, describe, expect, test } from "vitest";
import type { LifecycleMethod } from "../clients/lifecycle.ts";
import { startTestServer } from "../support/server.ts";
import { manager, post, rowsOf } from "./lifecycle-calls.ts";

const server = await startTestServer();
afterAll(() => server.close());
const { id: userId } = await server.given.user();
const { id: sessionId } = await server.given.session({ userId, creatorId: "creator" });
const { id: disabledId } = await server.given.user({ state: "inactive" });

const nobody: JWTPayload = { sub: "nobody" };
const long = "x".repeat(201);
const maxEmoji = "🔑".repeat(200);
const nul = "a\0b";
const half = "a\ud83d";
const unstorable = "holds a character that cannot be stored";
const upTo200 = "must have 1 to 200 characters";

// What JSON can spell and UTF-8 cannot, protobuf's own reader refuses.
const noText: string = expect.stringContaining("invalid UTF8");

// What is wrong with a text of 1 to 200 characters, whichever it is, and how that reads.
const badTexts: [name: string, text: string, toMessage: (path: string) => string][] = [
  ["empty", "", (path) => `${path}: ${upTo200}`],
  ["of 201 characters", long, (path) => `${path}: ${upTo200}`],
  ["with a NUL", nul, (path) => `${path}: ${unstorable}`],
  ["with half a surrogate pair", half, () => noText],
];

type Row = [name: string, method: LifecycleMethod, request: JsonObject, message: string];

const requirement = (value: number | string) => ({ domain: "localhost", userVerificationRequirement: value });
const required = requirement("USER_VERIFICATION_REQUIREMENT_REQUIRED");
const kilobytes = (bytes: number) => Buffer.alloc(bytes, "x").toString("base64");

const ids = (["GetSession", "SetSession", "DeleteSession"] as const).flatMap((method) =>
  badTexts.map(
    ([name, text, toMessage]): Row => [`an id ${name}`, method, { sessionId: text }, toMessage("sessionId")],
  ),
);

const tokens = badTexts.map(
  ([name, sessionToken, toMessage]): Row => [
    `a token ${name}`,
    "GetSession",
    { sessionId, sessionToken },
    toMessage("sessionToken"),
  ],
);

// Fields with a text of 1 to 200 characters, by the path that the error names.
const texts: [path: string, toRequest: (text: string) => JsonObject][] = [
  ["checks.user.userId", (userId) => ({ checks: { user: { userId } } })],
  ["checks.user.loginName", (loginName) => ({ checks: { user: { loginName } } })],
  ["checks.password.password", (password) => ({ checks: { password: { password } } })],
  ["checks.idpIntent.idpIntentId", (id) => ({ checks: { idpIntent: { idpIntentId: id, idpIntentToken: "token" } } })],
  [
    "checks.idpIntent.idpIntentToken",
    (token) => ({ checks: { idpIntent: { idpIntentId: "id", idpIntentToken: token } } }),
  ],
  ["checks.recoveryCode.code", (code) => ({ checks: { recoveryCode: { code } } })],
  ["challenges.webAuthN.domain", (domain) => ({ challenges: { webAuthN: { ...required, domain } } })],
  [
    "challenges.otpEmail.sendCode.urlTemplate",
    (urlTemplate) => ({ challenges: { otpEmail: { sendCode: { urlTemplate } } } }),
  ],
  ["metadata: a key", (key) => ({ metadata: { [key]: "YQ==" } })],
];

// biome-ignore format: a table.
const others: [name: string, request: JsonObject, message: string][] = [
  ["a user check without a user", { checks: { user: {} } }, "checks.user.search: value is required"],
  ["an assertion that is missing", { checks: { webAuthN: {} } }, "checks.webAuthN.credentialAssertionData: value is required"],
  ["a TOTP code of 5 characters", { checks: { totp: { code: "12345" } } }, "checks.totp.code: must have 6 characters"],
  ["a TOTP code of 7 characters", { checks: { totp: { code: "1234567" } } }, "checks.totp.code: must have 6 characters"],
  ["a TOTP code with a NUL", { checks: { totp: { code: "12345\0" } } }, `checks.totp.code: ${unstorable}`],
  ["an empty code by SMS", { checks: { otpSms: {} } }, "checks.otpSms.code: must have at least 1 characters"],
  ["an empty code by e-mail", { checks: { otpEmail: {} } }, "checks.otpEmail.code: must have at least 1 characters"],
  ["a code by SMS with half a surrogate pair", { checks: { otpSms: { code: half } } }, noText],
  ["no user verification", { challenges: { webAuthN: { domain: "localhost" } } }, "challenges.webAuthN.userVerificationRequirement: must be one of the defined values, and not unspecified"],
  ["an unspecified user verification", { challenges: { webAuthN: requirement(0) } }, "challenges.webAuthN.userVerificationRequirement: must be one of the defined values, and not unspecified"],
  ["an unknown user verification", { challenges: { webAuthN: requirement(99) } }, "challenges.webAuthN.userVerificationRequirement: must be one of the defined values, and not unspecified"],
  ["a lifetime of 0", { lifetime: "0s" }, "lifetime: must be longer than 0 s"],
  ["a lifetime below 0", { lifetime: "-0.000000001s" }, "lifetime: must be longer than 0 s"],
  ["a lifetime over the year 9999", { lifetime: "251702121600s" }, "lifetime: must end before the year 10000"],
  ["a lifetime as long as it can be spelled", { lifetime: "315576000000s" }, "lifetime: must end before the year 10000"],
  ["metadata of 65,537 bytes", { metadata: { k: kilobytes(65_536) } }, "metadata: the session's must be at most 65536 bytes in all"],
  ["metadata of 65,537 bytes in two", { metadata: { k: kilobytes(32_768), l: kilobytes(32_767) } }, "metadata: the session's must be at most 65536 bytes in all"],
];

// biome-ignore format: a table.
const agents: [name: string, userAgent: JsonObject, message: string][] = [
  ["a fingerprint of 201 characters", { fingerprintId: long }, "userAgent.fingerprintId: must have 0 to 200 characters"],
  ["a fingerprint with a NUL", { fingerprintId: nul }, `userAgent.fingerprintId: ${unstorable}`],
  ["a fingerprint with half a surrogate pair", { fingerprintId: half }, noText],
  ["a description of 16,385 characters", { description: "x".repeat(16_385) }, "userAgent: must have 0 to 16384 characters"],
  ["a description with a NUL", { description: nul }, `userAgent: ${unstorable}`],
  ["a header's name with a NUL", { header: { [nul]: { values: ["a"] } } }, `userAgent: ${unstorable}`],
  ["a header's value with half a surrogate pair", { header: { a: { values: ["b", half] } } }, noText],
  ["a header of 16,385 characters in all", { header: { name: { values: ["x".repeat(16_000), "x".repeat(381)] } } }, "userAgent: must have 0 to 16384 characters"],
  ["a header of 16,400 empty values", { header: { a: { values: Array(16_400).fill("") } } }, "userAgent: must have 0 to 16384 characters"],
  ["a description and a header of 16,385 characters", { description: "x".repeat(16_384), header: { a: {} } }, "userAgent: must have 0 to 16384 characters"],
];

const changes: [name: string, request: JsonObject, message: string][] = [
  ...texts.flatMap(([path, toRequest]) =>
    badTexts.map(([name, text, toMessage]): [string, JsonObject, string] => [
      `${path} ${name}`,
      toRequest(text),
      toMessage(path),
    ]),
  ),
  ...others,
];

const table: Row[] = [
  ...ids,
  ...tokens,
  ...changes.map(([name, request, message]): Row => [name, "CreateSession", request, message]),
  ...changes.map(([name, request, message]): Row => [name, "SetSession", { sessionId, ...request }, message]),
  ...agents.map(([name, userAgent, message]): Row => [name, "CreateSession", { userAgent }, message]),
];

describe("is refused, and nothing is stored", () => {
  test.each(table)("%s, by %s", async (_name, method, request, message) => {
    const before = await rowsOf(server);

    const { status, json } = await post(server, method, request);

    expect({ status, json }).toEqual({ status: 400, json: { code: "invalid_argument", message } });
    expect(await rowsOf(server)).toEqual(before);
  });

  test("metadata that became too large by merging", async () => {
    const { json: opened } = await post(server, "CreateSession", { metadata: { k: kilobytes(40_000) } });
    const before = await rowsOf(server);
    const merge = (bytes: number) =>
      post(server, "SetSession", { sessionId: opened.sessionId, metadata: { l: kilobytes(bytes) } });

    expect((await merge(25_535)).json).toMatchObject({ code: "invalid_argument" });

    expect(await rowsOf(server)).toEqual(before);
    expect((await merge(25_534)).status).toBe(200);
  });
});

// How long a session lives, and how large its metadata becomes, is judged once it is known which session it is.
const judgedFirst = table.filter(([, , , message]) => !/^lifetime: .* 10000$|^metadata: .* in all$/.test(message));

describe("is refused before the permission is looked at", () => {
  test.each(judgedFirst)("%s, by %s", async (_name, method, request, message) => {
    const { json } = await post(server, method, request, nobody);

    expect(json).toEqual({ code: "invalid_argument", message });
  });
});

describe("who lacks the permission does not learn whether there is such a user", () => {
  const users = [
    ["an active one", { userId }],
    ["a disabled one", { userId: disabledId }],
    ["an unknown one", { userId: "unknown" }],
    ["an unknown login name", { loginName: "unknown" }],
  ] as const;

  test.each(users)("CreateSession: %s", async (_name, user) => {
    const { status, json } = await post(server, "CreateSession", { checks: { user } }, nobody);

    expect({ status, json }).toMatchObject({
      status: 403,
      json: { message: "No matching permissions found (AUTH-AWfge)" },
    });
  });

  test.each(users)("SetSession of a session that they may not see: %s", async (_name, user) => {
    const { json } = await post(server, "SetSession", { sessionId, checks: { user } }, nobody);

    expect(json).toMatchObject({ code: "not_found", message: "Errors.Session.NotExisting (QUERY-SFeaa)" });
  });

  test.each(users)("SetSession of a session that they may only see: %s", async (_name, user) => {
    const { json } = await post(server, "SetSession", { sessionId, checks: { user } }, { sub: "creator" });

    expect(json).toMatchObject({ message: "No matching permissions found (AUTH-AWfge)" });
  });
});

describe("DeleteSession by a token that none can be", () => {
  test.each([
    ["of 201 characters", long],
    ["with a NUL", nul],
  ])("%s is refused like a wrong one", async (_name, sessionToken) => {
    const before = await rowsOf(server);

    const { json } = await post(server, "DeleteSession", { sessionId, sessionToken });

    expect(json).toMatchObject({ code: "permission_denied", message: "Errors.Session.Token.Invalid (COMMAND-sGr42)" });
    expect(await rowsOf(server)).toEqual(before);
  });
});

describe("is not refused", () => {
  test.each(["GetSession", "SetSession", "DeleteSession"] as const)("an id of 200 emoji, by %s", async (method) => {
    const { json } = await post(server, method, { sessionId: maxEmoji });

    if (method === "DeleteSession") expect(json).toEqual({ details: { resourceOwner: server.instanceId } });
    else expect(json).toMatchObject({ code: "not_found" });
  });

  test.each<[string, JsonObject]>([
    ["a fingerprint of 200 emoji", { userAgent: { fingerprintId: maxEmoji } }],
    ["an empty fingerprint", { userAgent: { fingerprintId: "" } }],
    ["a description of 16,384 characters", { userAgent: { description: "x".repeat(16_384) } }],
    ["a description of 16,384 emoji", { userAgent: { description: "🔑".repeat(16_384) } }],
    ["a lifetime of a nanosecond", { lifetime: "0.000000001s" }],
    ["a lifetime up to the year 9999", { lifetime: "251000000000s" }],
    ["metadata of 65,536 bytes", { metadata: { k: kilobytes(65_535) } }],
    ["a key of 200 emoji", { metadata: { [maxEmoji]: "YQ==" } }],
    ["a member that nobody knows", { surprise: true }],
  ])("%s", async (_name, request) => {
    const { status, json } = await post(server, "CreateSession", request);

    expect({ status, json }).toMatchObject({ status: 200, json: { sessionId: expect.any(String) } });
  });

  test.each<[string, JsonObject]>([
    ["a password of 200 emoji", { password: { password: maxEmoji } }],
    ["a TOTP code of 6 emoji", { totp: { code: "🔑".repeat(6) } }],
    ["a code by SMS of 10,000 characters", { otpSms: { code: "x".repeat(10_000) } }],
  ])("%s, although nobody checks it here", async (_name, check) => {
    const { json } = await post(server, "CreateSession", { checks: { user: { userId }, ...check } }, manager);

    expect(json).toMatchObject({ code: "unimplemented" });
  });
});
