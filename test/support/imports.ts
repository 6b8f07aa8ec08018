import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { create, type JsonObject, toJson } from "@bufbuild/protobuf";
import { ListSessionsResponseSchema } from "../../gen/zitadel/session/v2/session_service_pb.ts";
import type { Database } from "../../src/database.ts";
import { runImport } from "../../src/import/ndjson.ts";
import type { ImportSummary, ReportStream } from "../../src/import/report.ts";
import { readableBy } from "../../src/sessions/access.ts";
import { listSessions } from "../../src/sessions/store.ts";
import { toListSessionsResponse } from "../../src/zitadel/message.ts";
import { openTestDatabase } from "./database.ts";
import { now } from "./given.ts";

/** When the sessions of an import are created. */
export const at = "2026-01-02T03:04:05.123456Z";

/** A user as their own line has them. */
export const ann = {
  id: "ann",
  organizationId: "org",
  userName: "ann",
  loginName: "ann@example.com",
  displayName: "Ann",
};

/** The same user, as sessions know them: by older names. */
export const isAnn = {
  user: { id: "ann", organizationId: "org", verifiedAt: at, loginName: "a@old.com", displayName: "A." },
};

/** What an import did, and what it printed. */
export interface Imported {
  summary: ImportSummary;
  stdout: string;
  stderr: string;
}

/** How an import is run: on a terminal or not, and on the shared database or another. */
export interface ImportSettings {
  isTTY?: boolean;
  database?: Database;
}

/** Runs imports, with a database pool and a folder of its own. */
export interface Importer {
  database: Database;
  folder: string;
  fromFile(text: string | Uint8Array, settings?: ImportSettings): Promise<Imported>;
  /** In pieces that do not end where lines do. */
  fromStdin(text: string | Uint8Array, settings?: ImportSettings): Promise<Imported>;
  run(options: { file: string; stdin?: Readable } & ImportSettings): Promise<Imported>;
  /** The sessions of an instance, oldest first, as ListSessions answers them. */
  list(instanceId: string): Promise<JsonObject[]>;
  close(): Promise<void>;
}

/** Opens an importer; the suite closes it. */
export async function openImporter(): Promise<Importer> {
  const database = openTestDatabase();
  const folder = await mkdtemp(join(tmpdir(), "rollcall-import-"));
  const run: Importer["run"] = (options) => runCaptured({ database, ...options });
  return {
    database,
    folder,
    async fromFile(text, settings) {
      const file = join(folder, `${randomUUID()}.ndjson`);
      await writeFile(file, text);
      return run({ file, ...settings });
    },
    fromStdin: (text, settings) => run({ file: "-", stdin: Readable.from(toPieces(Buffer.from(text))), ...settings }),
    run,
    list: (instanceId) => list(database, instanceId),
    async close() {
      await database.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** An instance that nobody else uses, with records for it. */
export function createInstance() {
  const instanceId = randomUUID();
  return {
    instanceId,
    session: (id: string, more: object = {}) => ({ instanceId, session: { id, creationDate: at, ...more } }),
    user: (more: object = {}) => ({ instanceId, user: { ...ann, ...more } }),
  };
}

/** Records as NDJSON. */
export function toText(records: readonly object[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join("");
}

function toPieces(bytes: Buffer, size = 1_000): Buffer[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

function runCaptured({ isTTY, ...others }: { file: string; database: Database; stdin?: Readable; isTTY?: boolean }) {
  return capture(isTTY === true, (streams) => runImport({ instanceId: "default", ...others, ...streams }));
}

/** Runs an import of any kind, on a terminal or not, and keeps what it prints. */
export async function capture(
  isTTY: boolean,
  run: (streams: { stdout: Writable; stderr: ReportStream }) => Promise<ImportSummary>,
): Promise<Imported> {
  const printed = { stdout: "", stderr: "" };
  const toText = (name: keyof typeof printed) =>
    new Writable({
      write(chunk, _encoding, done) {
        printed[name] += chunk;
        done();
      },
    });
  const summary = await run({ stdout: toText("stdout"), stderr: Object.assign(toText("stderr"), { isTTY }) });
  return { summary, ...printed };
}

async function list(database: Database, instanceId: string): Promise<JsonObject[]> {
  const grants = [{ permission: "session.read", organizationId: undefined } as const];
  const scope = readableBy({ instanceId, userId: "", agentId: undefined, grants });
  const query = { conditions: [], page: { offset: 0, limit: 10_000, order: "oldest_first" } } as const;
  const response = toListSessionsResponse(await listSessions(database.db, scope, query), now);
  // Safe: the JSON form of a message that has fields, some of them lists of such.
  const json = toJson(ListSessionsResponseSchema, create(ListSessionsResponseSchema, response)) as JsonObject;
  return (json["sessions"] as JsonObject[] | undefined) ?? [];
}
