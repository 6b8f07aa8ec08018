import { describe, expect, test } from "vitest";
import { at, givenSession, givenUser } from "../../test/support/rows.ts";
import { SessionError } from "../errors.ts";
import type { Session } from "../sessions/schema.ts";
import { aalOf, assertAssured, authenticatedAt, methodsOf, type RequiredAal } from "./assurance.ts";

const [noon, later, latest] = [at("12:00:00"), at("12:00:00.000001"), at("13:00:00")];

describe("the methods of a session", () => {
  test.each<[string, Partial<Session>, string[]]>([
    ["only named", {}, []],
    ["a password", { passwordCheckedAt: noon }, ["password/aal1"]],
    ["an identity provider", { intentCheckedAt: noon }, ["oidc/aal1"]],
    ["a passkey", { webAuthNCheckedAt: noon, webAuthNUserVerified: true }, ["passkey/aal1"]],
    ["a security key", { webAuthNCheckedAt: noon, webAuthNUserVerified: false }, ["webauthn/aal2"]],
    ["an authenticator app", { totpCheckedAt: noon }, ["totp/aal2"]],
    ["a code by SMS", { otpSmsCheckedAt: noon }, ["code/aal2"]],
    ["a code by mail", { otpEmailCheckedAt: noon }, ["code/aal2"]],
    ["a recovery code", { recoveryCodeCheckedAt: noon }, ["lookup_secret/aal2"]],
    [
      "three, in another order",
      { passwordCheckedAt: latest, totpCheckedAt: noon, otpSmsCheckedAt: later },
      ["totp/aal2", "code/aal2", "password/aal1"],
    ],
    [
      "two at the same time",
      { passwordCheckedAt: noon, otpEmailCheckedAt: noon, otpSmsCheckedAt: noon },
      ["password/aal1", "code/aal2", "code/aal2"],
    ],
  ])("%s", (_name, factors, expected) => {
    const methods = methodsOf(givenSession(factors));

    expect(methods.map(({ method, aal }) => `${method}/${aal}`)).toEqual(expected);
  });

  test("tell when the user last proved who they are", () => {
    expect(authenticatedAt(givenSession({ passwordCheckedAt: latest, totpCheckedAt: later }))).toBe(latest);
  });

  test("tell, if there are none, when the user was named, or else when it was created", () => {
    expect(authenticatedAt(givenSession({ userCheckedAt: noon }))).toBe(noon);
    expect(authenticatedAt(givenSession({ userId: null, userCheckedAt: null, createdAt: later }))).toBe(later);
  });
});

describe("the assurance level of", () => {
  test.each<["aal0" | "aal1" | "aal2", ("aal1" | "aal2")[]]>([
    ["aal0", []],
    ["aal1", ["aal1"]],
    ["aal1", ["aal1", "aal1"]],
    ["aal1", ["aal2"]],
    ["aal1", ["aal2", "aal2"]],
    ["aal2", ["aal1", "aal2"]],
    ["aal2", ["aal2", "aal1"]],
    ["aal2", ["aal1", "aal2", "aal1", "aal2"]],
  ])("%s has a session with %j", (expected, levels) => {
    expect(aalOf(levels.map((aal) => ({ aal })))).toBe(expected);
  });

  test.each<[string, Partial<Session>]>([
    ["aal2", { passwordCheckedAt: noon, totpCheckedAt: later }],
    ["aal2", { passwordCheckedAt: noon, webAuthNCheckedAt: later, webAuthNUserVerified: false }],
    ["aal1", { passwordCheckedAt: noon, webAuthNCheckedAt: later, webAuthNUserVerified: true }],
    ["aal2", { intentCheckedAt: noon, otpEmailCheckedAt: later }],
    ["aal1", { intentCheckedAt: noon, passwordCheckedAt: later }],
    ["aal2", { passwordCheckedAt: noon, recoveryCodeCheckedAt: later }],
    ["aal1", { recoveryCodeCheckedAt: noon }],
    ["aal1", { webAuthNCheckedAt: noon, webAuthNUserVerified: false }],
  ])("%s has a session with %o", (expected, factors) => {
    expect(aalOf(methodsOf(givenSession(factors)))).toBe(expected);
  });
});

describe("what is required", () => {
  const levels: Record<string, Partial<Session>> = {
    aal0: {},
    aal1: { passwordCheckedAt: noon },
    aal2: { passwordCheckedAt: noon, totpCheckedAt: noon },
  };

  test.each<[string, "aal1" | "aal2" | null, RequiredAal, boolean]>([
    ["aal1", "aal1", "aal1", true],
    ["aal1", "aal1", "highest_available", true],
    ["aal1", "aal2", "aal1", true],
    ["aal1", "aal2", "highest_available", false],
    ["aal2", "aal2", "aal1", true],
    ["aal2", "aal2", "highest_available", true],
    ["aal2", "aal1", "highest_available", true],
    ["aal1", null, "highest_available", true],
    ["aal0", null, "highest_available", false],
    ["aal0", "aal1", "aal1", false],
  ])("a session of %s, whose user could reach %s, by the rule %s: %s", (level, availableAal, required, passes) => {
    const { userId: _, ...session } = givenSession(levels[level]);
    const holder = { session: { ...session, userId: "ann" }, user: givenUser({ availableAal }) };
    const check = () => assertAssured(holder, required);

    if (passes) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ reason: "assurance_too_low" }));
  });

  test("of a user that is not known is one factor", () => {
    const { userId: _, ...session } = givenSession(levels["aal1"]);

    expect(() =>
      assertAssured({ session: { ...session, userId: "ann" }, user: null }, "highest_available"),
    ).not.toThrow(SessionError);
  });
});
