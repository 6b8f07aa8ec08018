import { expect, test } from "vitest";
import { toPrintable } from "./printable.ts";

test.each([
  ["a command to the terminal", "\x1b[31mred", "\\u{1b}[31mred"],
  ["a line end", "a\r\nb", "a\\u{d}\\u{a}b"],
  ["a command of one byte", "\x9b2J", "\\u{9b}2J"],
  ["an order to write from right to left", "a\u202eb", "a\\u{202e}b"],
  ["what nobody sees", "a\u200bb", "a\\u{200b}b"],
])("%s is spelled out", (_name, text, printed) => {
  expect(toPrintable(text)).toBe(printed);
});

test("letters of any script, signs and blanks stay", () => {
  expect(toPrintable("Zoë Müller, 東京 🚀 \\ \"'")).toBe("Zoë Müller, 東京 🚀 \\ \"'");
});
