import type { JsonObject } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import type { Session } from "../../gen/zitadel/session/v2/session_pb.ts";
import { second } from "../support/given.ts";
import {
  assertion,
  factorNames,
  failureWith,
  instanceOwner,
  instantOfTimestamp,
  lifecycleClients,
  login,
  nobody,
  notPermitted,
  organizationOwner,
  plainFailure,
  sessionUnknown,
  startLifecycle,
  tokenUnknown,
} from "./lifecycle.ts";

const { server, connect } = await startLifecycle();

const expired = failureWith(9, "Errors.Session.Expired", "COMMAND-Hkl3d");
const terminated = failureWith(9, "Errors.Session.Terminated", "COMMAND-Hewfq");

const passkeyChallenge = (requirement: string) => ({
  webAuthN: { domain: "localhost", userVerificationRequirement: `USER_VERIFICATION_REQUIREMENT_${requirement}` },
});

// The numbers are those of the scenarios in Zitadel's integration tests.
describe.each(lifecycleClients)("SetSession by $name", (kind) => {
  const { as } = connect(kind);

  test("S1: every step gives a new token, voids the one before, and answers as the session then reads", async () => {
    const { id: userId } = await server.given.user();
    const { step } = await openSession();
    const opened = await step({ checks: { user: { userId } } });
    expectFactor(opened, "user");

    for (const [requirement, userVerified] of [
      ["REQUIRED", true],
      ["PREFERRED", false],
      ["DISCOURAGED", false],
    ] as const) {
      const { challenges } = await step({ challenges: passkeyChallenge(requirement) });
      expect(challenges?.webAuthN?.publicKeyCredentialRequestOptions).toBeDefined();
      const proven = await step({ checks: assertion(userVerified) });
      expectFactor(proven, "webAuthN");
      expect(proven.session.factors?.webAuthN?.userVerified).toBe(userVerified);
    }

    expectFactor(await step({ checks: { totp: { code: "123456" } } }), "totp");

    const sms = await step({ challenges: { otpSms: { returnCode: true } } });
    expectFactor(await step({ checks: { otpSms: { code: sms.challenges?.otpSms ?? "" } } }), "otpSms");

    const email = await step({ challenges: { otpEmail: { returnCode: {} } } });
    const last = await step({ checks: { otpEmail: { code: email.challenges?.otpEmail ?? "" } } });
    expectFactor(last, "otpEmail");
    expect(factorNames(last.session)).toEqual(["user", "webAuthN", "totp", "otpSms", "otpEmail"]);
  });

  // The protos that upstream's client comes with do not have it yet.
  if (kind.protos === "superset") {
    test("S1: a recovery code is a step like the others", async () => {
      const { id: userId } = await server.given.user();
      const { step } = await openSession();

      expectFactor(await step({ checks: { user: { userId }, recoveryCode: { code: "recovery" } } }), "recoveryCode");
    });
  }

  test("S1: a code other than the one that was returned is refused, and changes nothing", async () => {
    const { id: userId } = await server.given.user();
    const { step, caller, sessionId } = await openSession();
    const { session: before } = await step({
      checks: { user: { userId } },
      challenges: { otpSms: { returnCode: true } },
    });

    const failure = await caller.failure("SetSession", { sessionId, checks: { otpSms: { code: "wrong" } } });

    const message = "otpSms: the check failed";
    expect(failure).toEqual({ code: 3, message, details: [{ id: "", message, failedAttempts: 1 }] });
    expect(await caller.get(sessionId)).toEqual(before);
  });

  test("S3: a session that has expired is not changed", async () => {
    const { step, caller, sessionId } = await openSession({ lifetime: "20s" });
    const { session } = await step({ lifetime: "20s" });
    const expiresAt = instantOfTimestamp(session.expirationDate);
    expect(expiresAt).toBe(instantOfTimestamp(session.changeDate) + 20n * second);

    server.clock.pass(20n * second);

    expect(await caller.failure("SetSession", { sessionId, lifetime: "20s" })).toEqual(expired);
    expect(await caller.get(sessionId)).toEqual(session);
  });

  test("a session that was ended is not changed", async () => {
    const { caller, sessionId } = await openSession();
    await caller.end(sessionId);

    expect(await caller.failure("SetSession", { sessionId, lifetime: "20s" })).toEqual(terminated);
  });

  // Zitadel changes sessions that nobody opened.
  test("an unknown session is not found", async () => {
    const failure = await (await as(login)).failure("SetSession", { sessionId: "unknown", lifetime: "20s" });

    expect(failure).toEqual(sessionUnknown);
  });

  test("a session that the caller may not see is not found", async () => {
    const { sessionId } = await openSession();

    expect(await (await as(nobody)).failure("SetSession", { sessionId, lifetime: "20s" })).toEqual(sessionUnknown);
  });

  test("a session that the caller may only see is not changed", async () => {
    const { id: userId } = await server.given.user();
    const { step, sessionId } = await openSession();
    await step({ checks: { user: { userId } } });

    for (const claims of [{ sub: userId }, { sub: login.sub }, organizationOwner]) {
      expect(await (await as(claims)).failure("SetSession", { sessionId, lifetime: "20s" })).toEqual(notPermitted);
    }
  });

  test("who may write an organization's sessions changes those of its users", async () => {
    const { id: userId } = await server.given.user();
    const { step, sessionId } = await openSession();
    await step({ checks: { user: { userId } } });

    const answer = await (await as({ sub: "writer", scope: "session.write/org-1" })).set(sessionId, {
      lifetime: "20s",
    });

    expect(answer.sessionToken).not.toBe("");
  });

  test("the same user is checked again, another one not", async () => {
    const { id: userId } = await server.given.user();
    const { id: otherId } = await server.given.user();
    const { step, caller, sessionId } = await openSession();
    await step({ checks: { user: { userId } } });
    server.clock.pass(second);

    const again = await step({ checks: { user: { userId } } });
    const failure = await caller.failure("SetSession", { sessionId, checks: { user: { userId: otherId } } });

    expectFactor(again, "user");
    expect(failure).toEqual(plainFailure(3, "user change not possible"));
  });

  test("a change that changes nothing gives no token, and the former one stays good", async () => {
    const { caller, stranger, sessionId, sessionToken, details } = await openSession({ metadata: { foo: "YmFy" } });

    const requests: JsonObject[] = [{}, { metadata: { foo: "YmFy" } }, { metadata: { unknown: "" } }];
    for (const request of requests) {
      expect(await caller.set(sessionId, request)).toMatchObject({ sessionToken: "", details });
    }
    expect((await stranger.get(sessionId, sessionToken)).id).toBe(sessionId);
  });

  test("the token that a request brings is ignored", async () => {
    const { caller, sessionId } = await openSession();

    expect((await caller.set(sessionId, { sessionToken: "invalid", lifetime: "20s" })).sessionToken).not.toBe("");
  });

  async function openSession(request: JsonObject = {}) {
    const [caller, stranger] = [await as(instanceOwner), await as(nobody)];
    const { sessionId, sessionToken, details } = await (await as(login)).create(request);
    const tokens = [sessionToken];
    const step = async (request: JsonObject) => {
      const before = server.clock.now();
      const answer = await caller.set(sessionId, request);
      expect(tokens).not.toContain(answer.sessionToken);
      const session = await stranger.get(sessionId, answer.sessionToken);
      const { sequence, changeDate } = session;
      expect(answer.details).toMatchObject({ sequence, changeDate, resourceOwner: server.instanceId });
      for (const former of tokens) {
        expect(await stranger.failure("GetSession", { sessionId, sessionToken: former })).toEqual(tokenUnknown);
      }
      tokens.push(answer.sessionToken);
      return { session, challenges: answer.challenges, before };
    };
    return { caller, stranger, sessionId, sessionToken, details, step };
  }

  function expectFactor(
    { session, before }: { session: Session; before: bigint },
    name: "user" | "webAuthN" | "totp" | "otpSms" | "otpEmail" | "recoveryCode",
  ): void {
    const verifiedAt = instantOfTimestamp(session.factors?.[name]?.verifiedAt);
    expect(before <= verifiedAt && verifiedAt <= server.clock.now()).toBe(true);
  }
});
