import type { JsonObject } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { factorNames, type LifecycleCaller, nobody } from "../../clients/lifecycle.ts";
import { second } from "../../support/given.ts";
import { startTestVerifier } from "../../support/verifier.ts";
import { type Asked, allAsked, challenges, checks, startChecking, toRequest, toRow, totp, withUser } from "./checks.ts";

const verifier = await startTestVerifier();
const checking = await startChecking(verifier);
afterAll(async () => {
  await checking.close();
  await verifier.close();
});
const { server, login, openSession } = checking;

const usual = verifier.answer;
beforeEach(() => {
  verifier.questions.length = 0;
});
afterEach(() => {
  verifier.answer = usual;
});

describe("what the verifier is asked", () => {
  const others: JsonObject[] = [
    { otpSms: {} },
    { otpEmail: {} },
    { otpEmail: { sendCode: {} } },
    { otpEmail: { sendCode: { urlTemplate: "https://example.com/{{.Code}}" } } },
    { webAuthN: { domain: "localhost", userVerificationRequirement: "USER_VERIFICATION_REQUIREMENT_DISCOURAGED" } },
  ];
  const all: Asked[] = [...allAsked, ...others.map((challenge) => ({ challenge }))];

  test.each(all.map(toRow))("is just %s, and of which session and user", async (_name, asked) => {
    const { userId, sessionId } = await openSession();

    await login.set(sessionId, toRequest(asked));

    expect(verifier.questions).toEqual([{ instanceId: server.instanceId, sessionId, userId, ...asked }]);
    expect(verifier.badSignatures).toEqual([]);
  });

  test("names the session that is about to be opened", async () => {
    const { id: userId } = await server.given.user();

    const { sessionId } = await login.create(withUser(userId, { checks: totp }));

    expect(verifier.questions).toEqual([{ instanceId: server.instanceId, sessionId, userId, check: totp }]);
  });
});

describe("the order", () => {
  const reversed = (all: JsonObject) => Object.fromEntries(Object.entries(all).reverse());

  test("is that of the checks, then that of the challenges, whatever that of the request", async () => {
    const { sessionId } = await openSession();

    const answer = await login.set(sessionId, { challenges: reversed(challenges), checks: reversed(checks) });

    expect(verifier.questions).toMatchObject(allAsked);
    const { webAuthN, otpSms, otpEmail } = answer.challenges ?? {};
    const codes = [expect.stringMatching(/^\d{6}$/), expect.stringMatching(/^\d{6}$/)];
    expect([webAuthN?.publicKeyCredentialRequestOptions, otpSms, otpEmail]).toEqual([expect.anything(), ...codes]);
    const names = ["user", "password", "webAuthN", "intent", "totp", "otpSms", "otpEmail", "recoveryCode"];
    expect(factorNames(await login.get(sessionId))).toEqual(names);
  });

  const rows = allAsked.map((asked, index): [name: string, index: number] => [JSON.stringify(asked), index]);

  test.each(rows)("ends with the first failure, that of %s, and nothing changes", async (_name, failing) => {
    verifier.answer = (question) =>
      verifier.questions.length > failing ? { verified: false, reason: "expired" } : usual(question);
    const request = { checks, challenges, metadata: { foo: "YmFy" }, lifetime: "60s" };

    await checking.expectRefused(request, expect.objectContaining({ code: 9 }), () => {
      expect(verifier.questions).toMatchObject(allAsked.slice(0, failing + 1));
      verifier.questions.length = 0;
    });
  });
});

describe("the verifier is not asked, and nothing changes", () => {
  interface Refused {
    method?: "CreateSession";
    request: JsonObject;
    by?: LifecycleCaller;
  }
  const check = { checks: totp };
  const create = (request: JsonObject): Refused => ({ method: "CreateSession", request });

  test.each<[string, Code, () => Promise<Refused>]>([
    ["for an unknown user", Code.NotFound, async () => create(withUser("unknown", check))],
    ["for a disabled user", Code.FailedPrecondition, async () => create(withUser(await givenDisabled(), check))],
    ["for a new session without a user", Code.FailedPrecondition, async () => create(check)],
    [
      "for a session without a user",
      Code.FailedPrecondition,
      async () => ({ request: { sessionId: (await login.create()).sessionId, ...check } }),
    ],
    [
      "for a session of another user",
      Code.InvalidArgument,
      async () => ({ request: { ...withUser(await givenUser(), check), ...(await opened()) } }),
    ],
    [
      "for a session whose user was disabled",
      Code.FailedPrecondition,
      async () => ({ request: { ...(await givenSessionOf(await givenDisabled())), ...check } }),
    ],
    [
      "for a session that was ended",
      Code.FailedPrecondition,
      async () => ({ request: { ...(await ended()), ...check } }),
    ],
    [
      "for a session that has expired",
      Code.FailedPrecondition,
      async () => ({ request: { ...(await expired()), ...check } }),
    ],
    ["for an unknown session", Code.NotFound, async () => ({ request: { sessionId: "unknown", ...check } })],
    [
      "by who may not change the session",
      Code.NotFound,
      async () => ({ request: { ...(await opened()), ...check }, by: await checking.as(nobody) }),
    ],
    [
      "by who may open none",
      Code.PermissionDenied,
      async () => ({ ...create(withUser(await givenUser(), check)), by: await checking.as(nobody) }),
    ],
    [
      "if another part of the request breaks a rule",
      Code.InvalidArgument,
      async () => ({ request: { ...(await opened()), ...check, lifetime: "0s" } }),
    ],
  ])("%s", async (_name, code, arrange) => {
    const { method = "SetSession", request, by = login } = await arrange();
    const before = await checking.rows();

    expect(await by.failure(method, request)).toMatchObject({ code });
    expect(verifier.questions).toEqual([]);
    expect(await checking.rows()).toEqual(before);
  });

  async function givenUser(): Promise<string> {
    return (await server.given.user()).id;
  }

  async function givenDisabled(): Promise<string> {
    return (await server.given.user({ state: "inactive" })).id;
  }

  async function givenSessionOf(userId: string) {
    return { sessionId: (await server.given.session({ userId })).id };
  }

  async function opened() {
    return { sessionId: (await openSession()).sessionId };
  }

  async function ended() {
    const { sessionId } = await opened();
    await login.end(sessionId);
    return { sessionId };
  }

  async function expired() {
    const { sessionId } = await opened();
    await login.set(sessionId, { lifetime: "1s" });
    server.clock.pass(second);
    return { sessionId };
  }
});

describe("what is refused in any case", () => {
  const asking = { checks: totp, challenges: { otpSms: {} } };
  const tooMuch = { ...asking, metadata: { key: Buffer.alloc(70_000).toString("base64") } };
  const tooLong = { ...asking, lifetime: "315000000000s" };

  test.each([
    ["metadata that is too large", tooMuch],
    ["a lifetime that is too long", tooLong],
  ])("asks nothing, for a code counts once and messages are sent: %s", async (_name, request) => {
    await checking.expectRefused(request, expect.objectContaining({ code: Code.InvalidArgument }), () =>
      expect(verifier.questions).toEqual([]),
    );
  });
});
