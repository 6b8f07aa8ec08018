import { createHmac, timingSafeEqual } from "node:crypto";

/** What a signature is judged by. */
export interface SignatureOptions {
  secret: string;
  /** In milliseconds since 1970. */
  nowMs: number;
}

// What was signed longer ago may have been recorded by somebody; clocks differ by less.
const maxAgeSeconds = 300;

/** Whether the header `Rollcall-Signature` proves that the body was sent just now by who has the secret. */
export function isSigned(header: string | undefined, body: Buffer, { secret, nowMs }: SignatureOptions): boolean {
  const [, seconds, mac = ""] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header ?? "") ?? [];
  if (seconds === undefined) return false;
  const expected = createHmac("sha256", secret).update(`${seconds}.`).update(body).digest();
  // In constant time: how long it takes must not tell how much of a guess is right.
  if (!timingSafeEqual(Buffer.from(mac, "hex"), expected)) return false;
  return Math.abs(nowMs / 1_000 - Number(seconds)) <= maxAgeSeconds;
}
