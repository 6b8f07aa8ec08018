import type { Database } from "../database.ts";
import { SessionError } from "../errors.ts";
import { type ImportRecord, keyOf, type PackedRecords, packRecords, storeRecords } from "../sessions/bulk.ts";
import { type Deletion, packDeletions } from "../sessions/deletions.ts";
import type { ImportReport } from "./report.ts";

/** A line or row that was read. */
export interface Piece {
  /** Counted from 1. */
  number: number;
  /** Where people find it, such as `line 3`. */
  place: string;
  /** About how much memory it takes. */
  bytes: number;
  /** What is to be stored of it; none if it is blank or was refused. */
  records: readonly LineRecord[];
}

/** What is imported, piece by piece. */
export interface Source {
  unit: "line" | "row";
  pieces: AsyncIterable<Piece>;
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

/** What a line or row can hold. */
export type LineRecord = ImportRecord | Deletion;

interface Entry<R> {
  number: number;
  place: string;
  record: R;
}

/** Records that are stored one batch after the other, beside those of other lanes. */
interface Lane<R> {
  pack: (records: readonly R[]) => PackedRecords;
  reading: Entry<R>[];
  bytes: number;
  storing: Entry<R>[];
  /** What no other lane may have meanwhile, of `reading` and `storing`: see {@link holdOf}. */
  held: Set<string>;
  stored: Promise<void>;
}

interface Work {
  lanes: readonly Lane<ImportRecord>[];
  /** Deletions of users, which concern sessions of every lane: see {@link keepOrder}. */
  deletions: Lane<Deletion>;
  database: Database;
  report: ImportReport;
}

/**
 * Stores all that the source has, in batches, some of them while the next ones are read, and tells the report.
 *
 * Throws ImportError if the source or the database fails; the batches before are stored.
 */
export async function storeAll({ unit, pieces }: Source, database: Database, report: ImportReport): Promise<void> {
  const lanes = Array.from({ length: laneCount }, () => createLane(packRecords));
  const deletions = createLane(packDeletions);
  const work = { lanes, deletions, database, report };
  let read = 0;
  try {
    for await (const piece of pieces) {
      read = piece.number;
      for (const record of piece.records) await take(work, piece, record);
    }
    await storeDeletions(work);
  } catch (cause) {
    await Promise.allSettled([...lanes, deletions].map(({ stored }) => stored));
    const waiting = [...lanes, deletions].flatMap(({ storing, reading }) => [...storing, ...reading]);
    const number = Math.min(read + 1, ...waiting.map((entry) => entry.number));
    const advice = `the ${unit}s before it are stored, run it again for the rest`;
    throw new ImportError(`the import stopped at ${unit} ${number}: ${messageOf(cause)}; ${advice}`, { cause });
  }
}

/** What an error says, for people. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Several addresses that were tried in vain have no message of their own.
  return error.message || ("code" in error ? String(error.code) : error.name);
}

function createLane<R>(pack: Lane<R>["pack"]): Lane<R> {
  return { pack, reading: [], bytes: 0, storing: [], held: new Set(), stored: Promise.resolve() };
}

async function take(work: Work, piece: Piece, record: LineRecord): Promise<void> {
  if (record.kind === "deleted_user") {
    if (put(work.deletions, piece, record)) await storeDeletions(work);
    return;
  }
  const lane = chooseLane(work.lanes, record);
  await keepOrder(work, record);
  await holdToken(work, lane, record);
  if (put(lane, piece, record)) await flush(work, lane);
}

/** Tells whether the lane is full. */
function put<R extends LineRecord>(lane: Lane<R>, { number, place, bytes }: Piece, record: R): boolean {
  lane.reading.push({ number, place, record });
  lane.bytes += bytes;
  const held = holdOf(record);
  if (held !== undefined) lane.held.add(held);
  return lane.reading.length >= maxBatchRecords || lane.bytes >= maxBatchBytes;
}

/** The token of a session, hashed, or the user who is deleted. */
function holdOf(record: LineRecord): string | undefined {
  if (record.kind === "deleted_user") return keyOf(record.user);
  return record.kind === "session" ? record.session.tokenHash?.toString("latin1") : undefined;
}

// A deletion ends the sessions of the lines before it, whichever lane they are in, and none of those after it. Lines of
// other users may pass it, so that the deletions in a list of users are stored together.
async function keepOrder(work: Work, record: ImportRecord): Promise<void> {
  const { reading, held } = work.deletions;
  if (reading.length === 0 || (record.kind === "user" && !held.has(keyOf(record.user)))) return;
  await storeDeletions(work);
}

async function storeDeletions(work: Work): Promise<void> {
  for (const lane of work.lanes) await flush(work, lane);
  for (const lane of work.lanes) await lane.stored;
  await flush(work, work.deletions);
  await work.deletions.stored;
}

// By the end of the id: pieces with one id are stored in their order, and no lane waits for a row of another. Ids that
// all end alike share a lane, which is slower, and no more than that.
function chooseLane(lanes: Work["lanes"], record: ImportRecord): Lane<ImportRecord> {
  const { id } = record.kind === "session" ? record.session : record.user;
  const lane = lanes[id.charCodeAt(id.length - 1) % lanes.length];
  if (!lane) throw new RangeError("an id is never empty");
  return lane;
}

// Of two sessions with one token the first gets it, also if they are in two lanes, which could block each other too.
async function holdToken(work: Work, lane: Lane<ImportRecord>, record: ImportRecord): Promise<void> {
  const token = holdOf(record);
  if (token === undefined) return;
  for (const other of work.lanes) {
    if (other === lane || !other.held.has(token)) continue;
    await flush(work, other);
    await other.stored;
  }
}

async function flush<R extends LineRecord>(work: Work, lane: Lane<R>): Promise<void> {
  const entries = lane.reading;
  if (entries.length === 0) return;
  const packed = pack(lane, entries);
  await lane.stored;
  Object.assign(lane, { reading: [], bytes: 0, storing: entries });
  lane.stored = store(work, lane, entries, packed).then(() => {
    lane.storing = [];
    lane.held = new Set(lane.reading.flatMap(({ record }) => holdOf(record) ?? []));
  });
  // It is awaited later; until then its failure is not an unhandled one.
  lane.stored.catch(() => {});
}

function pack<R>(lane: Lane<R>, entries: readonly Entry<R>[]): PackedRecords {
  return lane.pack(entries.map(({ record }) => record));
}

// PostgreSQL refuses a batch as a whole: halve it until the records that it refuses are alone.
async function store<R extends LineRecord>(
  work: Work,
  lane: Lane<R>,
  entries: readonly Entry<R>[],
  packed: PackedRecords,
): Promise<void> {
  const { database, report } = work;
  try {
    const { users, namedUsers, sessions, changed } = await storeRecords(database.db, packed);
    const lines = entries.filter(({ record }) => record.kind !== "named_user").length;
    report.add({ users: users + namedUsers, sessions, unchanged: lines - changed });
  } catch (error) {
    const [first] = entries;
    if (!(error instanceof SessionError) || !first) throw error;
    if (entries.length === 1) return report.refuse(first.place, error.message);
    const middle = Math.ceil(entries.length / 2);
    for (const half of [entries.slice(0, middle), entries.slice(middle)]) {
      await store(work, lane, half, pack(lane, half));
    }
  }
}
