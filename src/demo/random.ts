/** The next number of a sequence that looks random: at least 0, less than 1. */
export type Random = () => number;

/** Possible values, each with how often it is taken in relation to the others. */
export type Weighted<T> = readonly (readonly [weight: number, value: T])[];

/**
 * The sequence of a seed: the same on every machine, for demo data. Never for secrets.
 *
 * @see mulberry32 by Tommy Ettinger, public domain
 */
export function createRandom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `min` to `max`, both included. */
export function integer(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}

/** True with this probability. */
export function chance(random: Random, probability: number): boolean {
  return random() < probability;
}

/** One of the values, each as likely as the others. Throws if there is none. */
export function pick<T>(random: Random, values: readonly T[]): T {
  const [value] = values.slice(integer(random, 0, values.length - 1));
  if (value === undefined) throw new Error("there is nothing to pick from");
  return value;
}

/** One of the values, by their weights. */
export function pickWeighted<T>(random: Random, values: Weighted<T>): T {
  let rest = random() * values.reduce((sum, [weight]) => sum + weight, 0);
  const found = values.find(([weight]) => {
    rest -= weight;
    return rest < 0;
  });
  return (found ?? pick(random, values))[1];
}

/** So many hexadecimal digits. */
export function hex(random: Random, digits: number): string {
  return Array.from({ length: digits }, () => integer(random, 0, 15).toString(16)).join("");
}
