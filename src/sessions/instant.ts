/**
 * A moment, in whole microseconds since 1970-01-01T00:00:00Z: what a PostgreSQL `timestamptz` can hold.
 *
 * Not a Date, which would cut three digits off.
 */
export type Instant = bigint;

/** The earliest moment that every dialect can spell: 0001-01-01T00:00:00Z. */
export const minInstant: Instant = -62_135_596_800_000_000n;

/** The latest moment that every dialect can spell: 9999-12-31T23:59:59.999999Z. */
export const maxInstant: Instant = 253_402_300_799_999_999n;

const perSecond = 1_000_000n;

/** The moment of a clock that counts milliseconds since 1970, like `Date.now()`. */
export function instantOfMs(ms: number): Instant {
  return BigInt(Math.trunc(ms)) * 1_000n;
}

/** The moment of whole seconds and nanoseconds since 1970; what is finer than a microsecond is cut off. */
export function instantOf(seconds: bigint, nanos: number): Instant {
  return seconds * perSecond + BigInt(Math.trunc(nanos / 1_000));
}

/** Splits a moment into whole seconds and the nanoseconds (0 to 999,999,000) after them. */
export function splitInstant(instant: Instant): { seconds: bigint; nanos: number } {
  const micros = ((instant % perSecond) + perSecond) % perSecond;
  return { seconds: (instant - micros) / perSecond, nanos: Number(micros) * 1_000 };
}

/** Reads PostgreSQL's text form in UTC: `2026-01-02 03:04:05.123456+00`, the fraction being optional. */
export function readInstant(text: string): Instant {
  const seconds = Date.parse(`${text.slice(0, 10)}T${text.slice(11, 19)}Z`) / 1_000;
  const fraction = text.slice(20, text.indexOf("+", 19));
  return BigInt(seconds) * perSecond + BigInt(fraction.padEnd(6, "0"));
}

/** Prints a moment as RFC 3339 in UTC with six decimals, which PostgreSQL reads as well. */
export function printInstant(instant: Instant): string {
  const { seconds, micros } = splitFast(instant);
  const upToSecond = new Date(seconds * 1_000).toISOString().slice(0, 19);
  return `${upToSecond}.${String(micros).padStart(6, "0")}Z`;
}

// Imports print several for each session, and plain numbers take less than half the time. They are exact up to 2255.
function splitFast(instant: Instant): { seconds: number; micros: number } {
  const whole = Number(instant);
  if (Number.isSafeInteger(whole)) {
    const seconds = Math.floor(whole / 1_000_000);
    return { seconds, micros: whole - seconds * 1_000_000 };
  }
  const { seconds, nanos } = splitInstant(instant);
  return { seconds: Number(seconds), micros: nanos / 1_000 };
}
