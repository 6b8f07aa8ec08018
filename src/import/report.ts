import type { Writable } from "node:stream";
import { MultiBar, Presets } from "cli-progress";
import { toPrintable } from "../printable.ts";

/** What an import did. */
export interface ImportSummary {
  /** Users that were inserted, changed or deleted. */
  users: number;
  /** Sessions that were inserted or changed; also those that ended because their user was deleted. */
  sessions: number;
  /** Lines or rows that changed nothing. */
  unchanged: number;
  /** Lines or rows that were refused. */
  refused: number;
}

/** Tells people how an import goes: what is refused and, on a terminal, a progress bar. */
export interface ImportReport {
  readonly summary: ImportSummary;
  /** Takes note of the line or row with that number, counted from 1, and of its part of the size of all. */
  read(number: number, size: number): void;
  /** Prints why that is refused which stands at a place, such as `line 3`. */
  refuse(place: string, reason: string): void;
  /** Adds what was stored. */
  add(stored: Omit<ImportSummary, "refused">): void;
  /** Takes the progress bar away. */
  stop(): void;
}

/** Where an import reports to. */
export type ReportStream = Writable & { isTTY?: boolean };

const maxPrinted = 1_000;
const maxReasonLength = 500;

/** What is imported. */
export interface ReportOptions {
  unit: "line" | "row";
  /** Of all, in whatever its parts are told in; undefined if nobody knows it. */
  size: number | undefined;
}

/** Reports to a stream. */
export function createReport(stream: ReportStream, options: ReportOptions): ImportReport {
  const summary = { users: 0, sessions: 0, unchanged: 0, refused: 0 };
  const bar = stream.isTTY ? startBar(stream, options) : undefined;
  const print = (text: string) => (bar ? bar.print(text) : stream.write(`${text}\n`));
  let done = 0;
  let count = 0;
  return {
    summary,
    read(number, size) {
      done += size;
      count = number;
    },
    refuse(place, reason) {
      summary.refused += 1;
      if (summary.refused <= maxPrinted) print(`${place}: ${toShort(reason)}`);
      if (summary.refused === maxPrinted) {
        print(`further ${options.unit}s that are refused are counted, but not printed`);
      }
    },
    add({ users, sessions, unchanged }) {
      summary.users += users;
      summary.sessions += sessions;
      summary.unchanged += unchanged;
      bar?.update(done, { count, refused: summary.refused });
    },
    stop: () => bar?.stop(),
  };
}

function startBar(stream: Writable, { unit, size }: ReportOptions) {
  const counts = `{count} ${unit}s | {refused} refused | {duration_formatted}`;
  const format = size === undefined ? counts : `{bar} {percentage}% | ${counts}, {eta_formatted} to go`;
  // Several bars can print lines above themselves; a single one goes back to where it started, over such lines.
  // No handler of SIGINT of its own: it would keep Ctrl-C from ending the process.
  const bars = new MultiBar({ stream, format, forceRedraw: true, gracefulExit: false }, Presets.shades_classic);
  const bar = bars.create(size ?? 0, 0, { count: 0, refused: 0 });
  return {
    print: (line: string) => bars.log(`${line}\n`),
    update: (done: number, counts: { count: number; refused: number }) => bar.update(done, counts),
    stop() {
      // Lines wait for the next time the bar is drawn.
      bars.update();
      bars.stop();
    },
  };
}

// The reason may quote the line, which may hold anything.
function toShort(reason: string): string {
  return toPrintable(reason.length > maxReasonLength ? `${reason.slice(0, maxReasonLength)}…` : reason);
}
