import { isUtf8 } from "node:buffer";
import { open } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import type { Database } from "./database.ts";
import { SessionError } from "./errors.ts";
import { createReport, type ImportReport, type ImportSummary, type ReportStream } from "./import-report.ts";
import { type Line, readLines } from "./lines.ts";
import { type ImportRecord, type PackedRecords, packRecords, storeRecords } from "./sessions/bulk.ts";
import { readRecords } from "./zitadel/record.ts";

/** What is imported, and to where; the streams are those of the process unless a test has others. */
export interface ImportOptions {
  /** The file to read, `-` for standard input. */
  file: string;
  database: Database;
  stdin?: Readable;
  stdout?: Writable;
  stderr?: ReportStream;
}

/** The import could not go on; the message says why, and how far it came. */
export class ImportError extends Error {
  override readonly name = "ImportError";
}

// Measured on two cores: 18,900 sessions a second with one, 21,400 with two, 21,900 with three, 22,300 with four.
const laneCount = 3;
// Larger batches are no faster.
const maxBatchRecords = 2_000;
const maxBatchBytes = 4 * 1024 * 1024;

/**
 * Stores every record of the file, and prints the lines it refused to stderr and the sums to stdout.
 *
 * Each line is as `readRecords` says. Memory is bounded whatever the file: some batches are read while those before
 * are stored. Running it again is safe, and only changes what is not stored yet.
 *
 * Throws ImportError if the file or the database fails; the batches before are stored.
 */
export async function runImport(options: ImportOptions): Promise<ImportSummary> {
  const { file, database, stdin = process.stdin, stdout = process.stdout, stderr = process.stderr } = options;
  const input = await openInput(file, stdin);
  const report = createReport(stderr, input.size);
  try {
    await importLines(input.stream, database, report);
  } finally {
    report.stop();
  }
  const { users, sessions, unchanged, refused } = report.summary;
  stdout.write(`imported ${users} users, ${sessions} sessions; unchanged ${unchanged}; refused ${refused}\n`);
  return report.summary;
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

interface Entry {
  line: number;
  record: ImportRecord;
}

/** Records that are stored one batch after the other, beside those of other lanes. */
interface Lane {
  reading: Entry[];
  bytes: number;
  storing: Entry[];
  stored: Promise<void>;
}

async function importLines(stream: Readable, database: Database, report: ImportReport): Promise<void> {
  const lanes = Array.from({ length: laneCount }, createLane);
  try {
    for await (const line of readLines(stream)) {
      report.read(line);
      for (const record of readLine(line, report)) {
        const lane = chooseLane(lanes, record);
        lane.reading.push({ line: line.number, record });
        lane.bytes += line.bytes;
        if (lane.reading.length >= maxBatchRecords || lane.bytes >= maxBatchBytes) await flush(lane, database, report);
      }
    }
    for (const lane of lanes) await flush(lane, database, report);
    for (const lane of lanes) await lane.stored;
  } catch (cause) {
    await Promise.allSettled(lanes.map((lane) => lane.stored));
    const waiting = lanes.flatMap(({ storing, reading }) => [...storing, ...reading]).map((entry) => entry.line);
    const line = Math.min(report.lines + 1, ...waiting);
    const advice = "the lines before it are stored, run it again for the rest";
    throw new ImportError(`the import stopped at line ${line}: ${messageOf(cause)}; ${advice}`, { cause });
  }
}

function createLane(): Lane {
  return { reading: [], bytes: 0, storing: [], stored: Promise.resolve() };
}

// By the end of the id: lines with one id are stored in their order, and no lane waits for a row of another. Ids that
// all end alike share a lane, which is slower, and no more than that.
function chooseLane(lanes: Lane[], record: ImportRecord): Lane {
  const { id } = record.kind === "session" ? record.session : record.user;
  const lane = lanes[id.charCodeAt(id.length - 1) % lanes.length];
  if (!lane) throw new RangeError("an id is never empty");
  return lane;
}

async function flush(lane: Lane, database: Database, report: ImportReport): Promise<void> {
  const entries = lane.reading;
  const packed = pack(entries);
  await lane.stored;
  Object.assign(lane, { reading: [], bytes: 0, storing: entries });
  lane.stored = store(entries, packed, database, report).then(() => {
    lane.storing = [];
  });
  // It is awaited later; until then its failure is not an unhandled one.
  lane.stored.catch(() => {});
}

function pack(entries: readonly Entry[]): PackedRecords {
  return packRecords(entries.map(({ record }) => record));
}

// PostgreSQL refuses a batch as a whole: halve it until the records that it refuses are alone.
async function store(entries: Entry[], packed: PackedRecords, database: Database, report: ImportReport): Promise<void> {
  try {
    const { users, namedUsers, sessions } = await storeRecords(database.db, packed);
    const lines = entries.filter(({ record }) => record.kind !== "named_user").length;
    report.add({ users: users + namedUsers, sessions, unchanged: lines - users - sessions });
  } catch (error) {
    const [first] = entries;
    if (!(error instanceof SessionError) || !first) throw error;
    if (entries.length === 1) return report.refuse(first.line, error.message);
    const middle = Math.ceil(entries.length / 2);
    for (const half of [entries.slice(0, middle), entries.slice(middle)]) {
      await store(half, pack(half), database, report);
    }
  }
}

function readLine({ number, content }: Line, report: ImportReport): ImportRecord[] {
  const refuse = (reason: string) => {
    report.refuse(number, reason);
    return [];
  };
  if (content === undefined) return refuse("the line is longer than 1 MiB");
  if (!isUtf8(content)) return refuse("the line is not UTF-8");
  const text = content.toString("utf8").replace(/^\uFEFF/, "");
  if (text.trim() === "") return [];
  try {
    return readRecords(text);
  } catch (error) {
    if (error instanceof SessionError) return refuse(error.message);
    throw error;
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Several addresses that were tried in vain have no message of their own.
  return error.message || ("code" in error ? String(error.code) : error.name);
}
