import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrateDatabase, openDatabase } from "../src/database.ts";
import { startEmbedded } from "../src/embedded/server.ts";
import { runImport } from "../src/import/ndjson.ts";

/*
 * How fast `rollcall import` is, and how much memory it takes: makes sessions, the same ones each time, imports them
 * into an instance of its own, and then once more, when nothing is left to change.
 *
 *     node bench/import.ts [sessions, default 1000000]
 *
 * Into the PostgreSQL of DATABASE_URL, or else into a fresh embedded one with its default settings.
 */
const count = Number(process.argv[2] ?? 1_000_000);
const minutesPerYear = 365 * 24 * 60;

await main();

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rollcall-bench-"));
  // Made by the server, for the user it runs as.
  const dataDir = join(tmpdir(), `rollcall-bench-data-${randomUUID()}`);
  const url = process.env["DATABASE_URL"];
  const server = url === undefined ? await startEmbedded({ dataDir }) : { url, close: async () => {} };
  try {
    const file = join(folder, "sessions.ndjson");
    // As short as names of instances usually are: it is part of every key.
    await writeSessions(file, `bench-${randomBytes(2).toString("hex")}`);
    await migrateDatabase(server.url);
    await measure("first import", server.url, file);
    await measure("second import", server.url, file);
  } finally {
    await server.close();
    await rm(folder, { recursive: true });
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function measure(name: string, url: string, file: string): Promise<void> {
  const database = openDatabase(url);
  const [version] = await database.client`show server_version`;
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  await runImport({ file, instanceId: "default", database });
  const seconds = (performance.now() - startMs) / 1_000;
  const cpu = process.cpuUsage(startCpu);
  await database.close();
  const figures = [
    `${Math.round(count / seconds)} sessions/s`,
    `${seconds.toFixed(1)} s, of which this process worked ${((cpu.user + cpu.system) / 1e6).toFixed(1)} s`,
    `peak RSS ${Math.round(process.resourceUsage().maxRSS / 1_024)} MiB`,
    `PostgreSQL ${version?.["server_version"]}`,
  ];
  process.stdout.write(`${name}: ${figures.join("; ")}\n`);
}

async function writeSessions(file: string, instanceId: string): Promise<void> {
  const out = createWriteStream(file, { highWaterMark: 1024 * 1024 });
  const random = createRandom(1);
  for (let i = 0; i < count; i += 1) {
    const line = JSON.stringify({ instanceId, session: createSession(i, random) });
    if (!out.write(`${line}\n`)) await once(out, "drain");
  }
  out.end();
  await once(out, "finish");
}

/** As a directory of ten sessions a user would have them after a year; ids grow with time, as Zitadel's do. */
function createSession(i: number, random: () => number) {
  const minute = Math.floor((i / count) * minutesPerYear);
  const creationDate = createDate(minute, random);
  const verifiedAt = createDate(minute + 1, random);
  // Some sign in far more often than others, and nearly always in one of the same three browsers.
  const user = Math.floor(random() ** 2 * Math.ceil(count / 10));
  const browser = user * 3 + Math.floor(random() * 3);
  return {
    id: toId(i + 1),
    creationDate,
    changeDate: verifiedAt,
    factors: {
      user: {
        verifiedAt,
        id: toId(scatter(user)),
        loginName: `user-${user}@example.com`,
        displayName: `User ${user}`,
        organizationId: toId(user % 50),
      },
      ...(random() < 0.8 ? { password: { verifiedAt } } : { webAuthN: { verifiedAt, userVerified: true } }),
      ...(random() < 0.3 ? { totp: { verifiedAt } } : {}),
    },
    ...(random() < 0.2 ? { metadata: { flow: Buffer.from(`flow-${i}`).toString("base64") } } : {}),
    userAgent: {
      fingerprintId: toUuid(scatter(browser), browser),
      ip: `10.${i % 200}.${user % 250}.${browser % 250}`,
      description: "Firefox on Linux",
      header: { "user-agent": { values: ["Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"] } },
    },
    ...(random() < 0.5 ? { expirationDate: createDate(minute + 1_440, random) } : {}),
    creatorId: toId(i % 3),
  };
}

function createDate(minute: number, random: () => number): string {
  const text = new Date(Date.UTC(2025, 0, 1, 0, minute)).toISOString();
  return `${text.slice(0, 17)}${(random() * 60).toFixed(6).padStart(9, "0").replace("60.", "59.")}Z`;
}

function toId(n: number): string {
  return String(280_000_000_000_000_000n + BigInt(n) * 65_537n);
}

function toUuid(high: number, low: number): string {
  const digits = high.toString(16).padStart(8, "0") + low.toString(16).padStart(24, "4");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** Neighbours end up far apart, and no two in one place. */
function scatter(n: number): number {
  return Math.imul(n + 1, 0x9e3779b1) >>> 0;
}

/** Numbers from 0 to 1, the same ones each time. @see mulberry32 */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
