import { SessionError } from "../errors.ts";
import type { ImportRecord } from "../sessions/bulk.ts";
import { type KratosDirectory, readKratos } from "./kratos-database.ts";
import { toSession, toUser } from "./kratos-record.ts";
import { type ImportTarget, printSummary } from "./ndjson.ts";
import { createReport, type ImportReport, type ImportSummary } from "./report.ts";
import { type Piece, storeAll } from "./store.ts";

/** Which Kratos is imported, and to where. */
export interface KratosImportOptions extends ImportTarget {
  /** Its PostgreSQL database, `postgres://…`; nothing of it is printed. */
  url: string;
  /** The id of its network; needed if there are several. */
  network?: string | undefined;
  /** The instance that its identities and sessions become part of. */
  instanceId: string;
}

// What a row of a session takes here, more or less.
const sessionBytes = 1_024;

/**
 * Stores every identity and session of a Kratos database, also expired and revoked ones, and prints the rows it
 * refused to stderr and the sums to stdout.
 *
 * All is as it was when the import began; nothing is changed there. Memory is bounded. Running it again is safe: it
 * brings what is new or other. Tokens are only kept as hashes.
 *
 * Throws ImportError if either database fails; the rows before are stored.
 */
export function runKratosImport(options: KratosImportOptions): Promise<ImportSummary> {
  const { url, network, instanceId, database, stdout = process.stdout, stderr = process.stderr } = options;
  return readKratos({ url, network }, async (kratos) => {
    const report = createReport(stderr, { unit: "row", size: kratos.size });
    try {
      await storeAll({ unit: "row", pieces: readPieces(kratos, instanceId, report) }, database, report);
    } finally {
      report.stop();
    }
    stdout.write(printSummary(report.summary));
    return report.summary;
  });
}

/** Identities first, so that whoever uses the sessions before all are there finds their users. */
async function* readPieces(kratos: KratosDirectory, instanceId: string, report: ImportReport): AsyncGenerator<Piece> {
  let number = 0;
  const toPiece = (place: string, bytes: number, read: () => ImportRecord): Piece => {
    number += 1;
    report.read(number, 1);
    return { number, place, bytes, records: readRecord(read, (reason) => report.refuse(place, reason)) };
  };
  for await (const row of kratos.identities()) {
    yield toPiece(`identity ${row.id}`, row.bytes, () => ({ kind: "user", user: toUser(instanceId, row) }));
  }
  for await (const row of kratos.sessions()) {
    yield toPiece(`session ${row.id}`, sessionBytes, () => ({ kind: "session", session: toSession(instanceId, row) }));
  }
}

function readRecord(read: () => ImportRecord, refuse: (reason: string) => void): ImportRecord[] {
  try {
    return [read()];
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    refuse(error.message);
    return [];
  }
}
