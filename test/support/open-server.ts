import type { TestDatabase } from "./database.ts";
import { startKratosServer } from "./kratos.ts";

/** A server that closes at the end of the scope in which it was opened. */
export type OpenServer = Awaited<ReturnType<typeof openServer>>;

/** Starts a server for Kratos's requests, for `await using`: on a database of its own, or on the shared one. */
export async function openServer(own?: TestDatabase) {
  const server = await startKratosServer(own && { databaseUrl: own.url });
  return { ...server, [Symbol.asyncDispose]: () => server.close() };
}
