import { expect, test } from "vitest";
import { printTable } from "./table.ts";

test("columns begin below each other, and no line ends with blanks", () => {
  const rows = [
    ["1", "", "short"],
    ["22222", "Zoë 🚀", ""],
  ];

  expect(printTable(["ID", "NAME", "LAST"], rows)).toBe(
    ["ID     NAME   LAST", "1             short", "22222  Zoë 🚀", ""].join("\n"),
  );
});

test("a cell reaches no terminal as a command, and keeps its column", () => {
  expect(printTable(["A", "B"], [["\x1b[2J\n", "b"]])).toBe(
    ["A               B", "\\u{1b}[2J\\u{a}  b", ""].join("\n"),
  );
});

test("without rows the header is left", () => {
  expect(printTable(["A", "B"], [])).toBe("A  B\n");
});
