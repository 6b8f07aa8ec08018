import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { instantOf, instantOfMs, maxInstant, minInstant, printInstant, readInstant, splitInstant } from "./instant.ts";

const anyInstant = fc.bigInt({ min: minInstant, max: maxInstant });

const known: [string, bigint, { seconds: bigint; nanos: number }][] = [
  ["0001-01-01T00:00:00.000000Z", minInstant, { seconds: -62_135_596_800n, nanos: 0 }],
  ["0099-12-31T23:59:59.000001Z", -59_011_459_200_999_999n, { seconds: -59_011_459_201n, nanos: 1_000 }],
  ["1969-12-31T23:59:59.999999Z", -1n, { seconds: -1n, nanos: 999_999_000 }],
  ["1969-12-31T23:59:59.000000Z", -1_000_000n, { seconds: -1n, nanos: 0 }],
  ["1970-01-01T00:00:00.000000Z", 0n, { seconds: 0n, nanos: 0 }],
  ["1970-01-01T00:00:00.000001Z", 1n, { seconds: 0n, nanos: 1_000 }],
  ["2024-02-29T12:34:56.120000Z", 1_709_210_096_120_000n, { seconds: 1_709_210_096n, nanos: 120_000_000 }],
  ["2038-01-19T03:14:08.000000Z", 2_147_483_648_000_000n, { seconds: 2_147_483_648n, nanos: 0 }],
  ["9999-12-31T23:59:59.999999Z", maxInstant, { seconds: 253_402_300_799n, nanos: 999_999_000 }],
];

describe("an instant", () => {
  test.each(known)("%s is printed with six decimals", (text, instant) => {
    expect(printInstant(instant)).toBe(text);
  });

  test.each(known)("%s is read from PostgreSQL's form", (text, instant) => {
    expect(readInstant(toPostgres(text))).toBe(instant);
  });

  test.each(known)("%s is split into seconds and the nanoseconds after them", (_text, instant, parts) => {
    expect(splitInstant(instant)).toEqual(parts);
  });

  test("survives PostgreSQL's text form, wherever it lies", () => {
    const property = (instant: bigint) => readInstant(toPostgres(printInstant(instant))) === instant;

    fc.assert(fc.property(anyInstant, property), { numRuns: 2_000 });
  });

  test("survives being split, wherever it lies", () => {
    const property = (instant: bigint) => {
      const { seconds, nanos } = splitInstant(instant);
      return instantOf(seconds, nanos) === instant && nanos >= 0 && nanos <= 999_999_000;
    };

    fc.assert(fc.property(anyInstant, property), { numRuns: 2_000 });
  });

  test("is printed so that texts sort like instants", () => {
    const property = (a: bigint, b: bigint) => printInstant(a) < printInstant(b) === a < b;

    fc.assert(fc.property(anyInstant, anyInstant, property));
  });

  test("loses what is finer than a microsecond, never a microsecond", () => {
    const property = (instant: bigint, extraNanos: number) => {
      const { seconds, nanos } = splitInstant(instant);
      return instantOf(seconds, nanos + extraNanos) === instant;
    };

    fc.assert(fc.property(anyInstant, fc.integer({ min: 0, max: 999 }), property));
  });

  test.each([
    [0, 0n],
    [1_767_323_045_123, 1_767_323_045_123_000n],
    [1_767_323_045_123.9, 1_767_323_045_123_000n],
    [-1, -1_000n],
  ])("of a clock at %d ms has whole milliseconds", (ms, instant) => {
    expect(instantOfMs(ms)).toBe(instant);
  });
});

/** RFC 3339 as PostgreSQL prints it: with a space, without trailing zeros, with +00. */
function toPostgres(text: string): string {
  return text.replace("T", " ").replace(/\.?0*Z$/, "+00");
}
