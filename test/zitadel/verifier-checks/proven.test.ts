import { eq } from "drizzle-orm";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { type Session, sessions } from "../../../src/sessions/schema.ts";
import { factorNames, failureWith, instantOfTimestamp, plainFailure } from "../../clients/lifecycle.ts";
import { second } from "../../support/given.ts";
import { startTestVerifier } from "../../support/verifier.ts";
import { checks, startChecking, totp, withUser } from "./checks.ts";

const verifier = await startTestVerifier();
const checking = await startChecking(verifier);
afterAll(async () => {
  await checking.close();
  await verifier.close();
});
const { server, login, openSession } = checking;

const usual = verifier.answer;
afterEach(() => {
  verifier.answer = usual;
});

describe("what is proven", () => {
  test.each([true, false])("by a passkey keeps whether it made sure of its user: %s", async (userVerified) => {
    verifier.answer = () => ({ verified: true, userVerified });
    const { sessionId } = await openSession();

    await login.set(sessionId, { checks: { webAuthN: checks["webAuthN"] ?? {} } });

    expect((await login.get(sessionId)).factors?.webAuthN?.userVerified).toBe(userVerified);
  });

  test("again has the time of the last check", async () => {
    const { sessionId } = await openSession();
    await login.set(sessionId, { checks: totp });
    server.clock.pass(second);

    const { details } = await login.set(sessionId, { checks: totp });

    expect((await login.get(sessionId)).factors?.totp?.verifiedAt).toEqual(details?.changeDate);
  });

  test("has the time of the verifier's answer, not that of the request", async () => {
    const { sessionId } = await openSession();
    verifier.answer = () => {
      server.clock.pass(second);
      return { verified: true };
    };
    const before = server.clock.now();

    await login.set(sessionId, { checks: totp });

    const { factors } = await login.get(sessionId);
    expect(instantOfTimestamp(factors?.totp?.verifiedAt)).toBeGreaterThanOrEqual(before + second);
  });

  test("by a challenge is nothing, but it is a change", async () => {
    const { sessionId, sessionToken, details: opened } = await openSession();

    const { details, sessionToken: next, challenges } = await login.set(sessionId, { challenges: { otpSms: {} } });

    expect(challenges).toEqual({ $typeName: "zitadel.session.v2.Challenges" });
    expect(factorNames(await login.get(sessionId))).toEqual(["user"]);
    expect(["", sessionToken]).not.toContain(next);
    expect(details?.sequence).not.toBe(opened?.sequence);
  });
});

describe("while the verifier takes its time", () => {
  test("the session may be ended, and is then not changed", async () => {
    const { sessionId } = await openSession();
    let ended: Session[] = [];
    verifier.answer = async () => {
      await login.end(sessionId);
      ended = await checking.rows();
      return { verified: true };
    };

    const failure = await login.failure("SetSession", { sessionId, checks: totp });

    expect(failure).toEqual(failureWith(9, "Errors.Session.Terminated", "COMMAND-Hewfq"));
    expect(await checking.rows()).toEqual(ended);
  });

  test("the session may expire, and is then not changed", async () => {
    const { sessionId } = await openSession();
    await login.set(sessionId, { lifetime: "5s" });
    const before = await checking.rows();
    verifier.answer = () => {
      server.clock.pass(5n * second);
      return { verified: true };
    };

    const failure = await login.failure("SetSession", { sessionId, checks: totp });

    expect(failure).toEqual(failureWith(9, "Errors.Session.Expired", "COMMAND-Hkl3d"));
    expect(await checking.rows()).toEqual(before);
  });

  test("the session may become another user's, whom nothing is then proven for", async () => {
    const [{ id: userId }, { id: otherId }] = [await server.given.user(), await server.given.user()];
    const { sessionId } = await login.create();
    verifier.answer = async () => {
      await login.set(sessionId, withUser(otherId));
      return { verified: true };
    };

    const failure = await login.failure("SetSession", { sessionId, ...withUser(userId, { checks: totp }) });

    expect(failure).toEqual(plainFailure(3, "user change not possible"));
    const session = await login.get(sessionId);
    expect([session.factors?.user?.id, factorNames(session)]).toEqual([otherId, ["user"]]);
  });

  test("the session may be stored anew as another user's, whom nothing is then proven for either", async () => {
    const [{ sessionId }, { id: otherId }] = [await openSession(), await server.given.user()];
    verifier.answer = async () => {
      await server.database.db.update(sessions).set({ userId: otherId }).where(eq(sessions.id, sessionId));
      return { verified: true };
    };

    const failure = await login.failure("SetSession", { sessionId, checks: totp });

    expect(failure).toEqual(plainFailure(3, "user change not possible"));
    expect(factorNames(await login.get(sessionId))).toEqual(["user"]);
  });

  test("what else is changed is kept", async () => {
    const { sessionId } = await openSession();
    verifier.answer = async () => {
      await login.set(sessionId, { metadata: { meanwhile: "YQ==" } });
      return { verified: true };
    };

    await login.set(sessionId, { checks: totp, metadata: { own: "Yg==" } });

    const session = await login.get(sessionId);
    expect(Object.keys(session.metadata).sort()).toEqual(["meanwhile", "own"]);
    expect(factorNames(session)).toEqual(["user", "totp"]);
  });
});
