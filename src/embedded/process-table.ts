import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What the operating system tells of a running process. */
export interface ProcessEntry {
  readonly parentId: number;
  /** The program and its arguments, each with a space behind it. */
  readonly command: string;
}

/** Returns the process with this number, of whichever user; undefined if there is none. */
export async function readProcess(id: number): Promise<ProcessEntry | undefined> {
  try {
    // Small Linux containers have no ps.
    if (process.platform === "linux") {
      const status = await readFile(`/proc/${id}/status`, "utf8");
      const command = await readFile(`/proc/${id}/cmdline`, "utf8");
      return { parentId: Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]), command: command.replaceAll("\0", " ") };
    }
    const { stdout } = await run("ps", ["-ww", "-o", "ppid=", "-o", "command=", "-p", String(id)]);
    const [, parentId, command] = /^\s*(\d+)\s+(.*)/.exec(stdout) ?? [];
    return { parentId: Number(parentId), command: `${command} ` };
  } catch {
    return undefined;
  }
}

/** Tells if there is a process with this number that we may signal. */
export function isAlive(id: number): boolean {
  try {
    return process.kill(id, 0);
  } catch {
    return false;
  }
}
