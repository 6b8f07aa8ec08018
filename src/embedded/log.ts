import { readFile } from "node:fs/promises";
import type { Home } from "./home.ts";

/** Returns an error that tells the problem and the end of the server's log, which may be missing. */
export async function describeFailure({ logFile }: Home, problem: string): Promise<Error> {
  const log = await readFile(logFile, "utf8").catch(() => "");
  return new Error(`${problem}; the end of ${logFile}:\n${lastLines(log)}`);
}

/** Returns the last five lines of what a program wrote. */
export function lastLines(text: string): string {
  return text.trimEnd().split("\n").slice(-5).join("\n");
}
