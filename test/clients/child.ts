import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const projectFolder = fileURLToPath(new URL("../../", import.meta.url));

/** Runs a program in the project's folder, without a shell or an input, to its end. */
export async function run(
  program: string,
  args: string[],
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const child = spawn(program, args, { cwd: projectFolder, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { exitCode, stdout, stderr };
}
