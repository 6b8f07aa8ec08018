import { Secret, TOTP } from "otpauth";

/** A user's secret in Base32, and what an authenticator app reads it from, as an otpauth:// URL. */
export interface TotpSecret {
  secret: string;
  url: string;
}

// Clocks differ, and people type slowly: the code before and the one after count too.
const window = 1;

/** Makes a secret of 160 bits, as RFC 4226 recommends. `label` is what the app shows: the user's id. */
export function createTotpSecret(label: string): TotpSecret {
  const secret = new Secret({ size: 20 });
  return { secret: secret.base32, url: new TOTP({ issuer: "Rollcall", label, secret }).toString() };
}

/**
 * The number of the 30-second step that the code is of, undefined if it is wrong.
 *
 * Whoever takes it must not take one of the same step, or of an earlier one, again.
 *
 * @see RFC 6238, section 5.2
 */
export function findStep(secret: string, code: string, nowMs: number): number | undefined {
  const totp = new TOTP({ secret });
  const delta = totp.validate({ token: code, timestamp: nowMs, window });
  return delta === null ? undefined : totp.counter({ timestamp: nowMs }) + delta;
}
