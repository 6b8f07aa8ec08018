import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** A `rollcall` command that runs as a process of its own. */
export interface Command {
  child: ChildProcess;
  /** Resolves with the first line of its output that matches; fails if it ends without. */
  line(pattern: RegExp): Promise<string>;
  /** Resolves when it has ended, with its exit code and all that it wrote. */
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** Starts `rollcall …` with nothing in its environment but the given settings. */
export function startCommand(args: string[], settings: Record<string, string> = {}, input?: string): Command {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...settings },
  });
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      written[name] += text;
    });
  }
  child.stdin.end(input);
  const ended = once(child, "close").then(([code]) => ({ code, ...written }));
  const find = (pattern: RegExp) =>
    written.stdout
      .split("\n")
      .slice(0, -1)
      .find((line) => pattern.test(line));
  return {
    child,
    ended,
    async line(pattern) {
      for (;;) {
        const line = find(pattern);
        if (line !== undefined) return line;
        const more = await Promise.race([once(child.stdout, "data"), ended.then(() => undefined)]);
        if (more === undefined && find(pattern) === undefined) {
          throw new Error(`rollcall ended without ${pattern}: ${written.stderr || written.stdout}`);
        }
      }
    },
  };
}
