import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { everySessionOf } from "../sessions/access.ts";
import { findPerson, readSessionsOf } from "../sessions/person.ts";
import type { Db } from "../sessions/store.ts";
import { writeSession, writeUser } from "../zitadel/write-record.ts";

/**
 * Prints all that there is of a person in an instance as NDJSON for an import: the user, then their sessions, oldest
 * first, without tokens. Nothing of somebody unknown.
 *
 * No faster than it is read, so that memory is bounded; it ends without an error if nobody reads on.
 */
export async function runExport(
  db: Db,
  instanceId: string,
  userId: string,
  stdout: Writable = process.stdout,
): Promise<void> {
  await pipeline(exportPerson(db, instanceId, userId), stdout, { end: false }).catch((error) => {
    if (!isClosed(error)) throw error;
  });
}

async function* exportPerson(db: Db, instanceId: string, userId: string): AsyncGenerator<string> {
  const scope = everySessionOf(instanceId);
  const user = await findPerson(db, scope, userId);
  if (user) yield writeUser(user);
  for await (const page of readSessionsOf(db, scope, userId)) {
    for (const row of page) yield writeSession(row);
  }
}

function isClosed(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EPIPE";
}
