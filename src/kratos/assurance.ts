import { SessionError } from "../errors.ts";
import type { Instant } from "../sessions/instant.ts";
import type { Session } from "../sessions/schema.ts";
import type { Holder } from "./call.ts";

/** How sure one is of who holds a session: not at all, by one factor, by two. */
export type Aal = "aal0" | "aal1" | "aal2";

/** What a session must reach: one factor, or the most that its user could reach. */
export type RequiredAal = "aal1" | "highest_available";

/** How a user proved to be who they say. */
export interface AuthenticationMethod {
  method: "password" | "totp" | "code" | "passkey" | "webauthn" | "oidc" | "lookup_secret";
  aal: Exclude<Aal, "aal0">;
  completedAt: Instant;
}

/** What the user of a session did to sign in, in the order of time. That they were named only proves nothing. */
export function methodsOf(session: Session): AuthenticationMethod[] {
  return [
    toMethods("password", "aal1", session.passwordCheckedAt),
    // Kratos knows where an identity provider's word came from by its name, which is not kept here.
    toMethods("oidc", "aal1", session.intentCheckedAt),
    // With the user verified, the device stands for itself; without, it only confirms who was named before.
    session.webAuthNUserVerified
      ? toMethods("passkey", "aal1", session.webAuthNCheckedAt)
      : toMethods("webauthn", "aal2", session.webAuthNCheckedAt),
    toMethods("totp", "aal2", session.totpCheckedAt),
    toMethods("code", "aal2", session.otpSmsCheckedAt),
    toMethods("code", "aal2", session.otpEmailCheckedAt),
    toMethods("lookup_secret", "aal2", session.recoveryCodeCheckedAt),
  ]
    .flat()
    .sort((a, b) => Number(a.completedAt - b.completedAt));
}

/**
 * How sure these methods make one. A second factor without a first one is one factor like any other.
 *
 * Kratos also knows providers that vouch for two factors at once; what they vouched for is not kept here.
 */
export function aalOf(methods: readonly Pick<AuthenticationMethod, "aal">[]): Aal {
  if (methods.length === 0) return "aal0";
  const levels = new Set(methods.map(({ aal }) => aal));
  return levels.size === 2 ? "aal2" : "aal1";
}

/** When the user proved for the last time who they are, or else when the session came to know them. */
export function authenticatedAt(session: Session, methods = methodsOf(session)): Instant {
  return methods.at(-1)?.completedAt ?? session.userCheckedAt ?? session.createdAt;
}

/**
 * Lets only sessions pass that reach the required level.
 *
 * Nobody passes without a factor: to start a session, it may be enough to know the name of somebody.
 * A user of whom nobody said what they could reach is taken not to have a second factor.
 *
 * Throws SessionError `assurance_too_low`.
 */
export function assertAssured({ session, user }: Holder, required: RequiredAal): void {
  const aal = aalOf(methodsOf(session));
  const needed = required === "highest_available" && user?.availableAal === "aal2" ? "aal2" : "aal1";
  if (aal < needed) throw new SessionError("assurance_too_low", `the session has ${aal}, ${needed} is required`);
}

function toMethods(
  method: AuthenticationMethod["method"],
  aal: AuthenticationMethod["aal"],
  completedAt: Instant | null,
): AuthenticationMethod[] {
  return completedAt === null ? [] : [{ method, aal, completedAt }];
}
