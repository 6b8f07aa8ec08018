import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { hashToken } from "../../src/auth/token.ts";
import { runExport } from "../../src/commands/export.ts";
import { instantOfMs } from "../../src/sessions/instant.ts";
import type { NewSession } from "../../src/sessions/schema.ts";
import { hour, now, second } from "./given.ts";
import type { TestServer } from "./server.ts";

/** The user agent that most sessions of {@link sessionsOfEveryKind} live in. */
export const agentFingerprintId = "browser-1";

/** A session token, for what may never be exported. */
export const token = "ory_st_0123456789abcdef0123456789abcdef";

/** Eight sessions of one user, in one user agent but for those that tell of another one. */
export function sessionsOfEveryKind(): Partial<NewSession>[] {
  const createdAt = now - 3n * hour + 7n;
  const checked = {
    userCheckedAt: createdAt + 1n,
    passwordCheckedAt: createdAt + 2n,
    webAuthNCheckedAt: createdAt + 3n,
    webAuthNUserVerified: true,
    intentCheckedAt: createdAt + 4n,
    totpCheckedAt: createdAt + 5n,
    otpSmsCheckedAt: createdAt + 6n,
    otpEmailCheckedAt: createdAt + 7n,
    recoveryCodeCheckedAt: createdAt + 8n,
  };
  const agent = {
    agentFingerprintId,
    agentIp: "2001:db8::1",
    agentDescription: "Firefox on Linux",
    agentHeader: { "user-agent": ["Mozilla/5.0"], accept: [], "": ["a", "b"] },
  };
  const metadata = { theme: "ZGFyaw==", "": "", 'é"': "AP8=" };
  const end = { endedAt: now - 5n, endReason: "signed_out", endedBy: "admin" };
  const whole = { createdAt, changedAt: now - hour + 1n, creatorId: "login", ...checked, ...agent, metadata };
  return [
    { ...whole, expiresAt: now + hour + 1n, tokenHash: hashToken(token) },
    { createdAt: now - 4n * hour, agentFingerprintId, webAuthNCheckedAt: now, webAuthNUserVerified: false },
    { createdAt: now - second, agentFingerprintId, expiresAt: now - 1n, passwordCheckedAt: now },
    { createdAt: now - second, agentFingerprintId, ...end },
    { createdAt: now - second, endedAt: now },
    { createdAt: instantOfMs(-1), changedAt: now, agentFingerprintId: "" },
    { agentIp: "", agentDescription: "" },
    { agentDescription: "x".repeat(10_000), organizationId: "other" },
  ].map((session, i) => ({ id: `session-${i}`, ...session }));
}

/** What is exported of a user of this server's instance: NDJSON. */
export async function exportFrom(
  { database, instanceId }: Pick<TestServer, "database" | "instanceId">,
  userId: string,
): Promise<string> {
  const stdout = new PassThrough();
  const read = text(stdout);
  await runExport(database.db, instanceId, userId, stdout);
  stdout.end();
  return await read;
}
