import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrateDatabase, openDatabase } from "../src/database.ts";
import { startEmbedded } from "../src/embedded/server.ts";
import { createLog } from "../src/log.ts";
import { startRetention } from "../src/retention.ts";
import { type Caller, readableBy } from "../src/sessions/access.ts";
import { type ImportRecord, packRecords, storeRecords } from "../src/sessions/bulk.ts";
import { isNotEnded } from "../src/sessions/filter.ts";
import { type Instant, instantOfMs } from "../src/sessions/instant.ts";
import { bareSession } from "../src/sessions/schema.ts";
import { listSessions } from "../src/sessions/store.ts";

/*
 * How much the retention disturbs lists: fills an instance of its own with sessions, a third of them due, and lists
 * while the worker is at them and while it is not, in turns, so that what else the machine does hits both alike.
 *
 *     node bench/retention.ts [sessions, default 300000]
 *
 * In the PostgreSQL of DATABASE_URL, or else in a fresh embedded one with its default settings. Takes about two minutes.
 */
const count = Number(process.argv[2] ?? 300_000);
const turns = 10;
const turnMs = 3_000;
const batchSize = 2_000;
const day = 86_400_000_000n;
const now = instantOfMs(Date.now());
const keptDays = 30;

const instanceId = `bench-${randomUUID().slice(0, 4)}`;
const callers: Record<string, Caller> = {
  "own sessions": { instanceId, userId: "user-7", agentId: "agent-7", grants: [] },
  "all sessions": { instanceId, userId: "admin", agentId: undefined, grants: [toAll("session.read")] },
};

await main();

async function main(): Promise<void> {
  // Made by the server, for the user it runs as.
  const dataDir = join(tmpdir(), `rollcall-bench-data-${randomUUID()}`);
  const url = process.env["DATABASE_URL"];
  const server = url === undefined ? await startEmbedded({ dataDir }) : { url, close: async () => {} };
  try {
    await migrateDatabase(server.url);
    const database = openDatabase(server.url);
    await fill(database);
    await compare(database);
    await database.close();
  } finally {
    await server.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function fill(database: Database): Promise<void> {
  for (let start = 0; start < count; start += batchSize) {
    const length = Math.min(batchSize, count - start);
    const records = Array.from({ length }, (_, i) => createRecord(start + i));
    await storeRecords(database.db, packRecords(records));
  }
  await database.client`vacuum analyze sessions`;
}

/** Of twelve sessions one has expired and three were ended long enough ago, at moments that have nothing to do with ids. */
function createRecord(i: number): ImportRecord {
  const createdAt = now - 200n * day;
  const long = now - BigInt(keptDays + 1) * day - BigInt(Math.imul(i, 0x9e3779b1) >>> 0);
  const fate: { expiresAt?: Instant; endedAt?: Instant } =
    i % 12 === 0 ? { expiresAt: long } : i % 12 <= 3 ? { endedAt: long } : { expiresAt: now + day };
  const user = { userId: `user-${i % 5_000}`, organizationId: `org-${i % 50}`, userCheckedAt: createdAt };
  const agent = { agentFingerprintId: `agent-${i % 10_000}`, agentDescription: "Firefox on Linux" };
  const row = { ...bareSession, instanceId, id: randomUUID(), createdAt, changedAt: createdAt };
  return { kind: "session", session: { ...row, ...user, ...agent, passwordCheckedAt: createdAt, ...fate } };
}

async function compare(database: Database): Promise<void> {
  const measured = { without: createTimes(), with: createTimes() };
  const gone = { ended: 0, erased: 0 };
  const log = createLog("info", { write: (line: string) => add(gone, JSON.parse(line)) });
  const keptMs = keptDays * 86_400_000;
  for (let turn = 0; turn < turns; turn += 1) {
    await measure(database, measured.without);
    const options = { db: database.db, instanceId, endedMs: keptMs, expiredMs: keptMs, now: () => now, log };
    const worker = startRetention(options);
    await measure(database, measured.with);
    await worker.stop();
  }
  print(measured, gone);
}

async function measure(database: Database, times: Record<string, number[]>): Promise<void> {
  const endMs = performance.now() + turnMs;
  while (performance.now() < endMs) {
    for (const [name, caller] of Object.entries(callers)) {
      const startMs = performance.now();
      const page = { offset: 0, limit: 100, order: "newest_first" } as const;
      await listSessions(database.db, readableBy(caller), { conditions: [isNotEnded()], page });
      times[name]?.push(performance.now() - startMs);
    }
  }
}

function print(measured: { without: Times; with: Times }, gone: { ended: number; erased: number }): void {
  const rows = Object.keys(callers).flatMap((list) => {
    const [without, busy] = [measured.without[list] ?? [], measured.with[list] ?? []];
    return (
      [
        ["median", 0.5],
        ["p95", 0.95],
      ] as const
    ).map(([figure, share]) => {
      const [alone, beside] = [quantile(without, share), quantile(busy, share)];
      const ms = { "alone, ms": alone.toFixed(1), "beside the worker, ms": beside.toFixed(1) };
      return { list, figure, ...ms, ratio: (beside / alone).toFixed(2), lists: `${without.length} + ${busy.length}` };
    });
  });
  const columns = Object.keys(rows[0] ?? {});
  const lines = [columns, ...rows.map((row) => Object.values(row))].map((cells) => cells.map(pad).join(" ").trimEnd());
  const seconds = (turns * turnMs) / 1_000;
  const summary = `of ${count} sessions ${gone.ended} were ended and ${gone.erased} erased in ${seconds} s`;
  process.stdout.write(`${lines.join("\n")}\n${summary}\n`);
}

type Times = Record<string, number[]>;

function createTimes(): Times {
  return Object.fromEntries(Object.keys(callers).map((name) => [name, []]));
}

function quantile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
}

function pad(cell: string, column: number): string {
  return cell.padEnd([13, 7, 10, 22, 6][column] ?? 0);
}

function add(gone: { ended: number; erased: number }, { ended = 0, erased = 0 }): void {
  gone.ended += ended;
  gone.erased += erased;
}

function toAll(permission: "session.read") {
  return { permission, organizationId: undefined };
}
