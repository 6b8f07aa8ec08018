import type { Database } from "../../src/database.ts";

/** The statements that a database is sent while `work` goes on, without their values. */
export async function statementsOf({ client }: Database, work: () => Promise<unknown>): Promise<string[]> {
  const statements: string[] = [];
  // The driver looks here each time that it sends one.
  client.options.debug = (_connection, statement) => void statements.push(statement);
  try {
    await work();
  } finally {
    client.options.debug = false;
  }
  return statements;
}
