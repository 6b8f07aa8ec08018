import type { Writable } from "node:stream";
import { MultiBar, Presets } from "cli-progress";
import type { Line } from "./lines.ts";

/** What an import did. */
export interface ImportSummary {
  /** Users that were inserted or changed. */
  users: number;
  /** Sessions that were inserted or changed. */
  sessions: number;
  /** Lines that changed nothing. */
  unchanged: number;
  /** Lines that were refused. */
  refused: number;
}

/** Tells people how an import goes: refused lines and, on a terminal, a progress bar. */
export interface ImportReport {
  readonly summary: ImportSummary;
  /** How many lines were read. */
  readonly lines: number;
  /** Takes note of a line that was read. */
  read(line: Line): void;
  /** Prints why a line is refused. */
  refuse(line: number, reason: string): void;
  /** Adds what was stored. */
  add(stored: Omit<ImportSummary, "refused">): void;
  /** Takes the progress bar away. */
  stop(): void;
}

/** Where an import reports to. */
export type ReportStream = Writable & { isTTY?: boolean };

const maxPrinted = 1_000;
const maxReasonLength = 500;

/** Reports to a stream; the size of what is imported is in bytes, or undefined if nobody knows it. */
export function createReport(stream: ReportStream, size: number | undefined): ImportReport {
  const summary = { users: 0, sessions: 0, unchanged: 0, refused: 0 };
  const bar = stream.isTTY ? startBar(stream, size) : undefined;
  const print = (text: string) => (bar ? bar.print(text) : stream.write(`${text}\n`));
  let bytes = 0;
  let lines = 0;
  return {
    summary,
    get lines() {
      return lines;
    },
    read(line) {
      bytes += line.bytes;
      lines = line.number;
    },
    refuse(line, reason) {
      summary.refused += 1;
      if (summary.refused <= maxPrinted) print(`line ${line}: ${toPrintable(reason)}`);
      if (summary.refused === maxPrinted) print("further lines that are refused are counted, but not printed");
    },
    add({ users, sessions, unchanged }) {
      summary.users += users;
      summary.sessions += sessions;
      summary.unchanged += unchanged;
      bar?.update(bytes, { lines, refused: summary.refused });
    },
    stop: () => bar?.stop(),
  };
}

function startBar(stream: Writable, size: number | undefined) {
  const counts = "{lines} lines | {refused} refused | {duration_formatted}";
  const format = size === undefined ? counts : `{bar} {percentage}% | ${counts}, {eta_formatted} to go`;
  // Several bars can print lines above themselves; a single one goes back to where it started, over such lines.
  // No handler of SIGINT of its own: it would keep Ctrl-C from ending the process.
  const bars = new MultiBar({ stream, format, forceRedraw: true, gracefulExit: false }, Presets.shades_classic);
  const bar = bars.create(size ?? 0, 0, { lines: 0, refused: 0 });
  return {
    print: (line: string) => bars.log(`${line}\n`),
    update: (bytes: number, counts: { lines: number; refused: number }) => bar.update(bytes, counts),
    stop() {
      // Lines wait for the next time the bar is drawn.
      bars.update();
      bars.stop();
    },
  };
}

// The reason may quote the line, which may hold anything, also what a terminal takes for a command.
function toPrintable(reason: string): string {
  const cut = reason.length > maxReasonLength ? `${reason.slice(0, maxReasonLength)}…` : reason;
  return cut.replace(/\p{C}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
