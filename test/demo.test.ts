import { type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { TOTP } from "otpauth";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { settings } from "../src/config.ts";
import { demoPassword, meisTotpSecret } from "../src/demo/credentials.ts";
import { personas } from "../src/demo/people.ts";
import { meisBrowserId } from "../src/demo/personas.ts";

interface Demo {
  child: ChildProcessWithoutNullStreams;
  /** What it had printed when it was ready. */
  output: string;
  url: string;
  /** The first block of the printed script. */
  tokens: string;
  /** The answers to the printed commands, pasted at once, in their order. */
  answers: Answer[];
}

interface Answer {
  details?: { totalResult: string };
  sessions?: { id: string; factors?: { user: { organizationId: string } }; userAgent?: { fingerprintId: string } }[];
  result?: { sessionId: string; authState: string; displayName: string; agentId: string }[];
  sessionId?: string;
  sessionToken?: string;
}

const root = fileURLToPath(new URL("..", import.meta.url));
const managedOrganizationId = "318838604669517832";
let parentDir: string;
let dataDir: string;
let first: Demo;

beforeAll(async () => {
  parentDir = await mkdtemp(join(tmpdir(), "rollcall-demo-"));
  // As root the database runs as another user, who must get in.
  await chmod(parentDir, 0o755);
  dataDir = join(parentDir, "data");
  first = await start({
    DATABASE_URL: "postgres://nobody@127.0.0.1:1/production",
    VERIFIER_URL: "http://127.0.0.1:1/verify",
    VERIFIER_SECRET: "a secret of production's verifier",
  });
});

afterAll(async () => {
  first?.child.kill("SIGKILL");
  await rm(parentDir, { recursive: true, force: true });
});

describe("demo", { timeout: 60_000 }, () => {
  test("it prints the port that it has, and leaves the configured database alone", () => {
    expect(first.output).toMatch(/^# Rollcall answers at http:\/\/127\.0\.0\.1:[1-9]\d+ /m);
    expect(first.output).toContain("# DATABASE_URL is left alone");
    expect(first.output).toContain("made just now: 3 organizations, 200 users, 5,000 sessions");
  });

  test("all that it prints is one script", async () => {
    await promisify(execFile)("bash", ["-n", "-c", first.output]);
  });

  test("the admin sees 2 of all sessions", () => {
    const [admin] = first.answers;

    expect(admin?.sessions?.length).toBe(2);
    expect(Number(admin?.details?.totalResult)).toBeGreaterThan(4_000);
  });

  test("the manager sees 2 sessions of their organization, and fewer in all than the admin", () => {
    const [admin, manager] = first.answers;
    const organizationIds = manager?.sessions?.map((session) => session.factors?.user.organizationId);

    expect(organizationIds).toEqual([managedOrganizationId, managedOrganizationId]);
    expect(Number(manager?.details?.totalResult)).toBeGreaterThan(1_000);
    expect(Number(manager?.details?.totalResult)).toBeLessThan(Number(admin?.details?.totalResult));
  });

  test("she signs in with her password, and the token shows her other sessions in Kratos's dialect", () => {
    const [, , signedIn, others] = first.answers;

    expect(signedIn?.sessionId).toMatch(/^[0-9a-f-]{36}$/);
    expect(others).toMatchObject([
      { active: true, identity: { traits: { name: "Mei Tanaka" } } },
      { active: true, identity: { traits: { name: "Mei Tanaka" } } },
    ]);
  });

  test("the same token shows the accounts in her browser in Zitadel's dialect, her own by the new session", () => {
    const [, , signedIn, , accounts] = first.answers;

    expect(accounts?.result?.[0]?.sessionId).toBe(signedIn?.sessionId);
    expect(accounts?.result?.map(({ authState, displayName }) => [authState, displayName])).toEqual([
      ["SESSION_STATE_ACTIVE", "Mei Tanaka"],
      ["SESSION_STATE_ACTIVE", "Mei Tanaka"],
      ["SESSION_STATE_TERMINATED", "Jonas Keller"],
      ["SESSION_STATE_TERMINATED", "Amara Okonkwo"],
    ]);
  });

  test("she signs out, and the token is void", async () => {
    const token = first.answers[2]?.sessionToken ?? "";

    const response = await fetch(`${first.url}/sessions/whoami`, { headers: { "x-session-token": token } });

    expect(token).not.toBe("");
    expect(response.status).toBe(401);
  });

  test("over gRPC the ordinary user sees the sessions in her browser, not the one that is over", () => {
    const sessions = first.answers[6]?.sessions ?? [];

    expect(sessions.map((session) => session.userAgent?.fingerprintId)).toEqual([
      meisBrowserId,
      meisBrowserId,
      meisBrowserId,
    ]);
  });

  test("her authenticator app's codes are taken too", async () => {
    const code = new TOTP({ secret: meisTotpSecret }).generate();
    const checks = { user: { userId: personas.user.id }, password: { password: demoPassword }, totp: { code } };
    const signIn = `curl -sS '${first.url}/v2/sessions' -H "Authorization: Bearer $LOGIN_SERVICE"`;

    const [answer] = await run(first.tokens, [`${signIn} -d '${JSON.stringify({ checks })}'`]);

    const { sessionId, sessionToken }: Answer = JSON.parse(answer ?? "");
    expect(sessionToken).toBeTruthy();
    // Or the README would have to know of this session.
    const headers = { authorization: `Bearer ${sessionToken}` };
    const { status } = await fetch(`${first.url}/v2/sessions/${sessionId}`, { method: "DELETE", headers });
    expect(status).toBe(200);
  });

  test("the commands of the README answer as it says", async () => {
    const readme = await readFile(join(root, "README.md"), "utf8");
    const shown = [...readme.matchAll(/```sh\n([^`]*127\.0\.0\.1[^`]*)```\n\n```(json|text)\n([^`]*)```/g)];
    expect(shown.length).toBe(7);

    const commands = shown.map(([, command = ""]) => command.replace("http://127.0.0.1:8080", first.url));
    const answers = await run(first.tokens, commands);

    for (const [index, [, , language, answer = ""]] of shown.entries()) {
      const read = (text = "") => (language === "json" ? JSON.parse(text) : text.trim());
      expect(read(withoutChances(answers[index]))).toEqual(read(withoutChances(answer)));
    }
  });

  test("Ctrl-C stops it, leaves nothing running, and a second start has the same data", async () => {
    await expectToStop(first, "SIGINT");

    const second = await start();

    expect(second.output).toContain("kept from an earlier start");
    expect(keptAnswers(second)).toEqual(keptAnswers(first));
    // npm passes Ctrl-C on to a process that has got it from the terminal already.
    second.child.kill("SIGINT");
    await expectToStop(second, "SIGINT");
  });

  test("if the default port is taken it listens on another one", async () => {
    const port = Number(settings.port.unset);
    const rival = createServer().listen(port, "127.0.0.1");
    onTestFinished(() => void rival.close());
    // Whoever else has it serves as well.
    await once(rival, "listening").catch(() => undefined);

    const demo = await start({ PORT: String(port) });

    expect(new URL(demo.url).port).not.toBe(String(port));
    expect(demo.answers[0]?.sessions?.length).toBe(2);
    await expectToStop(demo, "SIGTERM");
  });
});

async function start(environment: Record<string, string> = {}): Promise<Demo> {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, ["src/main.ts", "demo"], {
    cwd: root,
    env: { PATH, HOME, DATA_DIR: dataDir, PORT: "0", ...environment },
  });
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const output = await readGreeting(child);
  const url = /answers at (\S+)/.exec(output)?.[1] ?? "";
  const [tokens = "", ...commands] = output.split("\n\n").slice(1);
  try {
    expect(commands.length).toBe(7);
    const answers = (await run(tokens, commands)).map((answer): Answer => JSON.parse(answer));
    return { child, output, url, tokens, answers };
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`the demo does not work, having printed ${output}${errors}`, { cause: error });
  }
}

// Up to the end of the last block, the one of gRPC.
async function readGreeting(child: ChildProcessWithoutNullStreams): Promise<string> {
  let output = "";
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    output += chunk;
    if (/^# gRPC(.|\n)*'\n\n?$/m.test(output)) break;
  }
  return output.trimEnd();
}

/** What each command prints, all being one script after the tokens. */
async function run(tokens: string, commands: string[]): Promise<string[]> {
  const script = [tokens, ...commands].join("\nprintf '\\0'\n");
  const { stdout } = await promisify(execFile)("bash", ["-c", script], { cwd: root });
  return stdout.split("\0").slice(1);
}

async function expectToStop({ child, url }: Demo, signal: NodeJS.Signals): Promise<void> {
  const exit = once(child, "exit");
  child.kill(signal);
  expect(await exit).toEqual([0, null]);
  await expect(fetch(url)).rejects.toThrow("fetch failed");
  expect(existsSync(join(dataDir, "postgres", "data", "postmaster.pid"))).toBe(false);
}

/** The answers that hold only what there was before the script was pasted, but for the moment of asking. */
function keptAnswers({ answers }: Demo): unknown[] {
  const [admin, manager, , others, , , browser] = answers;
  const lists = [admin, manager, browser].map((answer) => ({ ...answer, details: answer?.details?.totalResult }));
  return [...lists, others];
}

// Everything but what is another at every start: times, numbers of changes, and ids that are random or hold times.
function withoutChances(answer = ""): string {
  return answer
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/"(sequence|processedSequence|sessionId|sessionToken)":\s*"[^"]+"/g, '"$1":"ANY"')
    .replace(/"01[0-9a-f]{6}-[0-9a-f]{4}-7/g, '"7')
    .replace(/"id":\s*"[0-9a-f-]{36}",\s*"ip_address"/g, '"id":"MADE OF THE SESSION\'S","ip_address"');
}
