import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { migrateDatabase } from "../../src/database.ts";
import { startEmbedded } from "../../src/embedded/server.ts";

declare module "vitest" {
  export interface ProvidedContext {
    databaseUrl: string;
  }
}

/**
 * Gives every suite one PostgreSQL with the tables of this version: that of TEST_DATABASE_URL, or an embedded one that
 * lives as long as the run.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { url, close } = await startServer(process.env["TEST_DATABASE_URL"]);
  await migrateDatabase(url);
  project.provide("databaseUrl", url);
  return close;
}

async function startServer(url: string | undefined): Promise<{ url: string; close: () => Promise<void> }> {
  if (url) return { url, close: async () => {} };
  // Made by the server, for the user it runs as.
  const dataDir = join(tmpdir(), `rollcall-test-${randomUUID()}`);
  // The data is thrown away: it need not survive a power cut.
  const server = await startEmbedded({ dataDir, settings: { fsync: "off", max_connections: "200" } });
  const close = async () => {
    await server.close();
    await rm(dataDir, { recursive: true });
  };
  return { url: server.url, close };
}
