import { afterAll, describe, expect, test } from "vitest";
import {
  createCaller,
  factorNames,
  failureWith,
  instanceOwner,
  lifecycleClients,
  login,
  nobody,
  plainFailure,
} from "../clients/lifecycle.ts";
import { startClockServer } from "../support/clock-server.ts";
import { second } from "../support/given.ts";
import { startTestVerifier } from "../support/verifier.ts";

const verifier = await startTestVerifier();
const server = await startClockServer(verifier);
afterAll(async () => {
  await server.close();
  await verifier.close();
});

const v2 = "zitadel.session.v2.SessionService";
const v2beta = "zitadel.session.v2beta.SessionService";
const sessionUnknown = failureWith(5, "Errors.Session.NotExisting", "QUERY-SFeaa");
const challenges = {
  webAuthN: { domain: "localhost", userVerificationRequirement: "USER_VERIFICATION_REQUIREMENT_PREFERRED" },
  otpSms: { returnCode: true },
  otpEmail: { sendCode: { urlTemplate: "https://example.com" } },
};

describe.each(lifecycleClients)("v2beta by $name", (kind) => {
  const client = kind.open(server.url);
  afterAll(() => client.close());
  const as = async (claims: typeof login, service: typeof v2 | typeof v2beta = v2beta) =>
    createCaller(client, await server.issuer.token(claims), service);

  test("opens, changes, reads and ends a session, which v2 sees alike", async () => {
    const { id: userId } = await server.given.user();
    const [beta, current] = [await as(login), await as(login, v2)];

    const opened = await beta.create({ checks: { user: { userId } }, metadata: { foo: "YmFy" }, lifetime: "60s" });
    const { sessionId } = opened;
    expect(await beta.get(sessionId)).toEqual(await current.get(sessionId));
    const changed = await beta.set(sessionId, { checks: { password: { password: "right" } }, metadata: { foo: "" } });

    const session = await beta.get(sessionId, changed.sessionToken);
    expect(session).toEqual(await current.get(sessionId));
    expect([factorNames(session), session.metadata]).toEqual([["user", "password"], {}]);
    expect(changed.details).toMatchObject({ sequence: session.sequence, changeDate: session.changeDate });
    expect([opened.sessionToken, ""]).not.toContain(changed.sessionToken);
    await (await as(nobody)).end(sessionId, changed.sessionToken);
    expect(await current.failure("GetSession", { sessionId })).toEqual(sessionUnknown);
  });

  test("takes the tokens of v2, and v2 those of v2beta", async () => {
    const [beta, current, stranger] = [await as(login), await as(login, v2), await as(nobody)];
    const [ofBeta, ofCurrent] = [await beta.create(), await current.create()];

    expect((await stranger.get(ofCurrent.sessionId, ofCurrent.sessionToken)).id).toBe(ofCurrent.sessionId);
    const { sessionToken } = await current.set(ofBeta.sessionId, { lifetime: "60s" });
    expect((await stranger.get(ofBeta.sessionId, sessionToken)).id).toBe(ofBeta.sessionId);
    const former = { sessionId: ofBeta.sessionId, sessionToken: ofBeta.sessionToken };
    expect(await stranger.failure("GetSession", former)).toEqual(
      failureWith(7, "Errors.PermissionDenied", "QUERY-dsfr3"),
    );
  });

  test("makes every check that it has, and starts every challenge", async () => {
    const { id: userId } = await server.given.user();
    const beta = await as(login);
    const { sessionId, challenges: started } = await beta.create({ checks: { user: { userId } }, challenges });
    const checks = {
      password: { password: "right" },
      idpIntent: { idpIntentId: "intent", idpIntentToken: "token" },
      webAuthN: { credentialAssertionData: { id: "credential" } },
      totp: { code: "123456" },
      otpSms: { code: started?.otpSms ?? "" },
      otpEmail: { code: "sent" },
    };

    await beta.set(sessionId, { checks });

    const { publicKeyCredentialRequestOptions } = started?.webAuthN ?? {};
    expect([publicKeyCredentialRequestOptions, started?.otpEmail]).toEqual([expect.anything(), undefined]);
    const names = ["user", "password", "webAuthN", "intent", "totp", "otpSms", "otpEmail"];
    expect(factorNames(await beta.get(sessionId)).sort()).toEqual(names.sort());
    const asked = verifier.questions.filter((question) => question.sessionId === sessionId);
    expect(asked.flatMap(({ challenge = {} }) => Object.entries(challenge))).toEqual(Object.entries(challenges));
    expect(Object.fromEntries(asked.flatMap(({ check = {} }) => Object.entries(check)))).toEqual(checks);
  });

  test("refuses what v2 refuses, in the same words", async () => {
    const beta = await as(instanceOwner);
    const expired = await beta.create({ lifetime: "1s" });
    server.clock.pass(second);

    const failures = [
      await beta.failure("GetSession", { sessionId: "unknown" }),
      await beta.failure("CreateSession", { lifetime: "-1s" }),
      await beta.failure("CreateSession", { checks: { user: {} } }),
      await beta.failure("CreateSession", { checks: { password: { password: "right" } } }),
      await beta.failure("SetSession", { sessionId: expired.sessionId, lifetime: "1s" }),
      await beta.failure("DeleteSession", { sessionId: expired.sessionId, sessionToken: "invalid" }),
      await (await as(nobody)).failure("CreateSession", {}),
    ];

    expect(failures).toEqual([
      sessionUnknown,
      plainFailure(3, "lifetime: must be longer than 0 s"),
      plainFailure(3, "checks.user.search: value is required"),
      failureWith(9, "Errors.User.UserIDMissing", "COMMAND-Sfw3f"),
      failureWith(9, "Errors.Session.Expired", "COMMAND-Hkl3d"),
      failureWith(7, "Errors.Session.Token.Invalid", "COMMAND-sGr42"),
      failureWith(7, "No matching permissions found", "AUTH-AWfge"),
    ]);
  });
});
