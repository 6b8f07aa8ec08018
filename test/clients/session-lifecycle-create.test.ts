import type { JsonObject } from "@bufbuild/protobuf";
import { afterEach, describe, expect, test } from "vitest";
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
  startLifecycle,
} from "./lifecycle.ts";

const { verifier, server, connect } = await startLifecycle();

const usual = verifier.answer;
afterEach(() => {
  verifier.answer = usual;
});

const notActive = failureWith(9, "Errors.User.NotActive", "SESSION-Gj4ko");
const locked = failureWith(9, "Errors.User.Locked", "COMMAND-JLK35");
const needsUser = (id: string) => failureWith(9, "Errors.User.UserIDMissing", id);

const metadata = { foo: "YmFy" };
const agent = { fingerprintId: "fingerprint", ip: "1.2.3.4", description: "Description", header: {} };
const passkeyChallenge = { domain: "localhost", userVerificationRequirement: "USER_VERIFICATION_REQUIREMENT_REQUIRED" };
const intent = { idpIntent: { idpIntentId: "intent", idpIntentToken: "token" } };

// The numbers are those of the scenarios in Zitadel's integration tests.
describe.each(lifecycleClients)("CreateSession by $name", (kind) => {
  const { as } = connect(kind);
  const givenUserCheck = async (user?: Parameters<typeof server.given.user>[0]) => {
    const { id } = await server.given.user(user);
    return { user: { userId: id } };
  };

  test.each<[string, () => Promise<JsonObject>]>([
    ["C1: with metadata only", async () => ({ metadata })],
    [
      "C2: with user, metadata, agent and lifetime",
      async () => ({ metadata, userAgent: agent, lifetime: "300s", checks: await givenUserCheck() }),
    ],
  ])("%s, it answers as the session then reads", async (_name, request) => {
    const caller = await as(login);
    const wanted = await request();
    const before = server.clock.now();

    const { details, sessionId, sessionToken } = await caller.create(wanted);

    const changedAt = instantOfTimestamp(details?.changeDate);
    expect(before <= changedAt && changedAt <= server.clock.now()).toBe(true);
    expect(details).toMatchObject({ resourceOwner: server.instanceId, sequence: expect.toSatisfy((n) => n > 0n) });
    const { sequence, changeDate, creationDate } = await caller.get(sessionId, sessionToken);
    expect({ sequence, changeDate, creationDate }).toEqual({
      sequence: details?.sequence,
      changeDate: details?.changeDate,
      creationDate: details?.changeDate,
    });
  });

  test("C2: with a login name in other letters, it is that user's", async () => {
    const caller = await as(login);
    const { id } = await server.given.user({ loginName: `Ann.${kind.name}@example.com` });

    const { sessionId } = await caller.create({ checks: { user: { loginName: `aNN.${kind.name}@EXAMPLE.com` } } });

    expect((await caller.get(sessionId)).factors?.user?.id).toBe(id);
  });

  test("C3: a lifetime below zero is refused", async () => {
    const failure = await (await as(login)).failure("CreateSession", { lifetime: "-300s" });

    expect(failure).toEqual(plainFailure(3, "lifetime: must be longer than 0 s"));
  });

  test("C4: a deactivated user is refused", async () => {
    const checks = await givenUserCheck({ state: "inactive" });

    expect(await (await as(login)).failure("CreateSession", { checks })).toEqual(notActive);
  });

  // Zitadel knows it with the user check; here only who keeps the passwords does.
  test("C5: a locked user is refused", async () => {
    verifier.answer = () => ({ verified: false, reason: "locked" });
    const checks = { ...(await givenUserCheck()), password: { password: "right" } };

    expect(await (await as(login)).failure("CreateSession", { checks })).toEqual(locked);
  });

  test("C6: a password without a user is refused", async () => {
    const failure = await (await as(login)).failure("CreateSession", { checks: { password: { password: "right" } } });

    expect(failure).toEqual(needsUser("COMMAND-Sfw3f"));
  });

  test("C7: a passkey's challenge without a user is refused", async () => {
    const failure = await (await as(login)).failure("CreateSession", { challenges: { webAuthN: passkeyChallenge } });

    expect(failure).toEqual(needsUser("COMMAND-eeR2e"));
  });

  test("C7: a passkey's challenge without a domain is refused", async () => {
    const challenges = { webAuthN: { ...passkeyChallenge, domain: "" } };

    const failure = await (await as(login)).failure("CreateSession", { checks: await givenUserCheck(), challenges });

    expect(failure).toEqual(plainFailure(3, "challenges.webAuthN.domain: must have 1 to 200 characters"));
  });

  test("C9: a passkey is challenged at creation and proven by SetSession", async () => {
    const caller = await as(login);
    const checks = await givenUserCheck();

    const { sessionId, challenges } = await caller.create({ checks, challenges: { webAuthN: passkeyChallenge } });
    const before = server.clock.now();
    await caller.set(sessionId, { checks: assertion(true) });

    expect(challenges?.webAuthN?.publicKeyCredentialRequestOptions).toEqual({
      publicKey: { challenge: "Y2hhbGxlbmdl" },
    });
    const session = await caller.get(sessionId);
    expect(factorNames(session)).toEqual(["user", "webAuthN"]);
    expect(session.factors?.webAuthN?.userVerified).toBe(true);
    const verifiedAt = instantOfTimestamp(session.factors?.webAuthN?.verifiedAt);
    expect(before <= verifiedAt && verifiedAt <= server.clock.now()).toBe(true);
  });

  // Whom the other provider's account belongs to, and whether it is linked at once, the verifier decides.
  test("C10: an intent is proven at creation", async () => {
    const caller = await as(login);

    const { sessionId } = await caller.create({ checks: { ...(await givenUserCheck()), ...intent } });

    expect(factorNames(await caller.get(sessionId))).toEqual(["user", "intent"]);
    expect(verifier.questions.at(-1)).toMatchObject({ sessionId, check: intent });
  });

  test("C10: an intent is proven by SetSession", async () => {
    const caller = await as(login);
    const { sessionId } = await caller.create({ checks: await givenUserCheck() });

    await caller.set(sessionId, { checks: intent });

    expect(factorNames(await caller.get(sessionId))).toEqual(["user", "intent"]);
  });

  test.each([
    [
      "a false token",
      "wrong",
      {
        code: 3,
        message: "intent: the check failed",
        details: [{ id: "", message: "intent: the check failed", failedAttempts: 0 }],
      },
    ],
    ["one only started, or used up", "not_set_up", failureWith(9, "Errors.Intent.NotSucceeded", "COMMAND-Df4bw")],
    ["an expired one", "expired", failureWith(9, "Errors.Intent.Expired", "COMMAND-SAf42")],
  ])("C11: an intent is refused: %s", async (_name, reason, expected) => {
    verifier.answer = () => ({ verified: false, reason });
    const checks = { ...(await givenUserCheck()), ...intent };

    expect(await (await as(login)).failure("CreateSession", { checks })).toEqual(expected);
  });

  test("an unknown user is not found", async () => {
    const failure = await (await as(login)).failure("CreateSession", { checks: { user: { userId: "unknown" } } });

    expect(failure).toEqual(plainFailure(5, "the user does not exist"));
  });

  test.each([
    ["a user without a role", nobody],
    ["who may write an organization's sessions", { ...organizationOwner, scope: "session.write/org-1" }],
    ["who may do everything but write", { ...instanceOwner, scope: "session.read session.delete" }],
  ])("takes session.write on the instance: %s is refused", async (_name, claims) => {
    expect(await (await as(claims)).failure("CreateSession", {})).toEqual(notPermitted);
  });

  test("the user who created a session may see it", async () => {
    const { sessionId } = await (await as(login)).create();

    expect((await (await as({ sub: login.sub })).get(sessionId)).id).toBe(sessionId);
  });
});
