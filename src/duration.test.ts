import { describe, expect, test } from "vitest";
import { readDuration } from "./duration.ts";

describe("a duration", () => {
  test.each([
    ["1s", 1_000],
    ["90m", 5_400_000],
    ["12h", 43_200_000],
    ["90d", 7_776_000_000],
    ["36500d", 3_153_600_000_000],
  ])("%s is so many milliseconds", (text, ms) => {
    expect(readDuration(text)).toBe(ms);
  });

  test.each([[""], ["0d"], ["90"], ["d"], ["-1d"], ["1.5d"], ["1 d"], ["1w"], ["36501d"], ["1e3d"], ["90dd"]])(
    "%j is none",
    (text) => {
      expect(() => readDuration(text)).toThrow("must be a duration like 90d, 12h, 30m or 45s, 1s to 36500d");
    },
  );
});
