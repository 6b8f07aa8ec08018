import { toPrintable } from "../printable.ts";

const gap = "  ";

/** Prints rows for people, under a header, in columns that begin below each other. */
export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows].map((cells) => cells.map(toPrintable));
  const widths = header.map((_name, column) => Math.max(...lines.map((cells) => widthOf(cells[column] ?? ""))));
  return lines.map((cells) => `${printLine(cells, widths)}\n`).join("");
}

function printLine(cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - widthOf(cell)));
  return padded.join(gap).trimEnd();
}

function widthOf(cell: string): number {
  return [...cell].length;
}
