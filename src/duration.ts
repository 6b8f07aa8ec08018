const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
// A hundred years: the end of anything longer may lie past the last date there is.
const maxMs = 36_500 * unitMs.d;

/** Reads a duration such as `90d`, `12h`, `30m` or `45s`, in milliseconds. Throws an Error that says what it must be. */
export function readDuration(text: string): number {
  const [, count, unit = ""] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * unitMs[unit as keyof typeof unitMs];
  if (!(ms > 0 && ms <= maxMs)) throw new Error("must be a duration like 90d, 12h, 30m or 45s, 1s to 36500d");
  return ms;
}
