import { isUtf8 } from "node:buffer";
import { open } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import type { Database } from "../database.ts";
import { SessionError } from "../errors.ts";
import { readRecords } from "../zitadel/record.ts";
import { type Line, readLines } from "./lines.ts";
import { createReport, type ImportReport, type ImportSummary, type ReportStream } from "./report.ts";
import { ImportError, type LineRecord, messageOf, type Piece, storeAll } from "./store.ts";

/** To where an import goes, and where it tells of it; the streams are those of the process unless a test has others. */
export interface ImportTarget {
  database: Database;
  stdout?: Writable;
  stderr?: ReportStream;
}

/** What is imported, and to where. */
export interface ImportOptions extends ImportTarget {
  /** The file to read, `-` for standard input. */
  file: string;
  /** Of records that do not name one. */
  instanceId: string;
  stdin?: Readable;
}

/**
 * Stores every record of the file, and prints the lines it refused to stderr and the sums to stdout.
 *
 * Each line is as `readRecords` says. Memory is bounded whatever the file: some batches are read while those before
 * are stored. Running it again is safe, and only changes what is not stored yet.
 *
 * Throws ImportError if the file or the database fails; the batches before are stored.
 */
export async function runImport(options: ImportOptions): Promise<ImportSummary> {
  const {
    file,
    instanceId,
    database,
    stdin = process.stdin,
    stdout = process.stdout,
    stderr = process.stderr,
  } = options;
  const input = await openInput(file, stdin);
  const report = createReport(stderr, { unit: "line", size: input.size });
  try {
    await storeAll({ unit: "line", pieces: readPieces(input.stream, instanceId, report) }, database, report);
  } finally {
    report.stop();
  }
  stdout.write(printSummary(report.summary));
  return report.summary;
}

/** The last line of every import. */
export function printSummary({ users, sessions, unchanged, refused }: ImportSummary): string {
  return `imported ${users} users, ${sessions} sessions; unchanged ${unchanged}; refused ${refused}\n`;
}

interface Input {
  stream: Readable;
  /** In bytes; undefined if it ends whenever it ends. */
  size: number | undefined;
}

async function openInput(file: string, stdin: Readable): Promise<Input> {
  if (file === "-") return { stream: stdin, size: undefined };
  try {
    const handle = await open(file);
    const stat = await handle.stat();
    const size = stat.isFile() ? stat.size : undefined;
    return { stream: handle.createReadStream(), size };
  } catch (cause) {
    throw new ImportError(`${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

async function* readPieces(stream: Readable, instanceId: string, report: ImportReport): AsyncGenerator<Piece> {
  for await (const line of readLines(stream)) {
    const { number, bytes } = line;
    const place = `line ${number}`;
    const refuse = (reason: string): LineRecord[] => {
      report.refuse(place, reason);
      return [];
    };
    report.read(number, bytes);
    yield { number, place, bytes, records: readLine(line, instanceId, refuse) };
  }
}

function readLine({ content }: Line, instanceId: string, refuse: (reason: string) => LineRecord[]): LineRecord[] {
  if (content === undefined) return refuse("the line is longer than 1 MiB");
  if (!isUtf8(content)) return refuse("the line is not UTF-8");
  const text = content.toString("utf8").replace(/^\uFEFF/, "");
  if (text.trim() === "") return [];
  try {
    return readRecords(text, instanceId);
  } catch (error) {
    if (error instanceof SessionError) return refuse(error.message);
    throw error;
  }
}
