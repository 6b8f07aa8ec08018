import { isIPv4, isIPv6 } from "node:net";
import { describe, expect, test } from "vitest";
import type { ImportedSession } from "../sessions/bulk.ts";
import { createDemoData } from "./data.ts";
import { organizations } from "./organizations.ts";
import { demoInstanceId, personas } from "./people.ts";
import { meisBrowserId } from "./personas.ts";

const day = 86_400_000_000n;
const now = 1_795_314_241_000_000n;
const { users, sessions } = createDemoData({ seed: 1, now });
const usersById = new Map(users.map((user) => [user.id, user]));

const isEnded = (s: ImportedSession) => s.endedAt != null;
const isExpired = (s: ImportedSession) => s.expiresAt != null && s.expiresAt <= now;
const isLive = (s: ImportedSession) => !isEnded(s) && !isExpired(s);
const momentsOf = (s: ImportedSession) => [
  s.userCheckedAt,
  s.passwordCheckedAt,
  s.webAuthNCheckedAt,
  s.intentCheckedAt,
  s.totpCheckedAt,
  s.otpSmsCheckedAt,
  s.otpEmailCheckedAt,
  s.recoveryCodeCheckedAt,
  s.endedAt,
];
const userAgentOf = (s: ImportedSession) => s.agentHeader?.["user-agent"]?.[0] ?? "";

describe("createDemoData", () => {
  test("the same seed and moment give the same data", () => {
    expect(createDemoData({ seed: 1, now })).toEqual({ users, sessions });
  });

  test("another seed gives other data", () => {
    expect(createDemoData({ seed: 2, now }).sessions).not.toEqual(sessions);
  });

  test("there are 3 organizations, 200 users and 5,000 sessions, each with an id and a login name of its own", () => {
    expect(organizations.length).toBe(3);
    expect(new Set(users.map((user) => user.organizationId))).toEqual(new Set(organizations.map(({ id }) => id)));
    expect(new Set(users.map((user) => user.id)).size).toBe(200);
    expect(new Set(users.map((user) => user.loginName)).size).toBe(200);
    expect(new Set(sessions.map((session) => session.id)).size).toBe(5_000);
    expect(sessions.length).toBe(5_000);
  });

  test("login names are plain, display names are not empty", () => {
    for (const { loginName, displayName } of users) {
      expect(loginName).toMatch(/^[a-z-]+\.[a-z-]+@[a-z-]+\.example$/);
      expect(displayName).toMatch(/^\S+( \S+)+$/);
    }
  });

  test.each<[string, number, (session: ImportedSession) => boolean]>([
    ["live", 1_000, isLive],
    ["expired", 500, (s) => isExpired(s) && !isEnded(s)],
    ["ended, with a reason", 300, (s) => isEnded(s) && Boolean(s.endReason)],
    ["without a user", 100, (s) => s.userId == null],
    ["without an expiration", 100, (s) => s.expiresAt === null],
    ["with a password", 1_000, (s) => s.passwordCheckedAt != null],
    ["with a passkey", 300, (s) => s.webAuthNUserVerified === true],
    ["with a security key", 100, (s) => s.webAuthNUserVerified === false],
    ["with an identity provider", 100, (s) => s.intentCheckedAt != null],
    ["with an authenticator app", 300, (s) => s.totpCheckedAt != null],
    ["with an SMS", 100, (s) => s.otpSmsCheckedAt != null],
    ["with an e-mail", 100, (s) => s.otpEmailCheckedAt != null],
    ["with a recovery code", 20, (s) => s.recoveryCodeCheckedAt != null],
    ["from IPv4", 1_000, (s) => isIPv4(s.agentIp ?? "")],
    ["from IPv6", 1_000, (s) => isIPv6(s.agentIp ?? "")],
    ["from nowhere known", 50, (s) => s.agentFingerprintId == null],
    ["in a browser on a desk", 500, (s) => /^Mozilla\/5\.0 \((Windows|Macintosh|X11)/.test(userAgentOf(s))],
    ["in a browser on a phone", 200, (s) => /^Mozilla\/5\.0 \((iPhone|Linux; Android)/.test(userAgentOf(s))],
    ["in an app on an iPhone", 200, (s) => /^\w+\/\d+ CFNetwork\/[\d.]+ Darwin\/[\d.]+$/.test(userAgentOf(s))],
    ["in an app on an Android phone", 200, (s) => /Dalvik\/2\.1\.0 \(Linux; U; Android/.test(userAgentOf(s))],
    ["with metadata", 500, (s) => Object.keys(s.metadata ?? {}).length > 0],
    ["not on the millisecond", 4_900, (s) => s.createdAt % 1_000n !== 0n],
    ["of the last week", 1_000, (s) => s.createdAt > now - 7n * day],
  ])("there are sessions %s: at least %i", (_kind, count, isOne) => {
    expect(sessions.filter(isOne).length).toBeGreaterThanOrEqual(count);
  });

  test("some browsers are shared by two to four people", () => {
    const people = new Map<string, Set<string>>();
    for (const { agentFingerprintId: agentId, userId } of sessions) {
      if (agentId && userId) people.set(agentId, (people.get(agentId) ?? new Set()).add(userId));
    }
    const sizes = [...people.values()].map((users) => users.size);

    expect(sizes.filter((size) => size > 1).length).toBeGreaterThanOrEqual(20);
    expect(Math.max(...sizes)).toBe(4);
  });

  test("a browser keeps its user agent string", () => {
    const strings = new Map<string, string>();
    for (const session of sessions.filter((session) => session.agentFingerprintId)) {
      const agentId = session.agentFingerprintId ?? "";
      strings.set(agentId, strings.get(agentId) ?? userAgentOf(session));
      expect(userAgentOf(session)).toBe(strings.get(agentId));
    }
  });

  test("addresses are from the documentation ranges", () => {
    for (const { agentIp } of sessions) {
      if (agentIp)
        expect(agentIp).toMatch(/^(192\.0\.2|198\.51\.100|203\.0\.113)\.\d+$|^2001:db8(:[1-9a-f][0-9a-f]*){6}$/);
    }
  });

  test("metadata is base64", () => {
    for (const value of sessions.flatMap(({ metadata }) => Object.values(metadata ?? {}))) {
      expect(Buffer.from(value, "base64").toString("base64")).toBe(value);
    }
  });

  test("every session meets the checks of the table", () => {
    for (const s of sessions) {
      const factors = momentsOf(s)
        .slice(1, -1)
        .filter((moment) => moment != null);
      const user = [s.userId, s.organizationId, s.userCheckedAt].filter((part) => part != null);
      expect([0, 3]).toContain(user.length);
      if (s.userId == null) expect(factors).toEqual([]);
      expect(s.webAuthNCheckedAt == null).toBe(s.webAuthNUserVerified == null);
      expect(s.endedAt == null).toBe(s.endReason == null);
    }
  });

  test("every session is of a user of the demo, in that user's organization, and of the demo's instance", () => {
    for (const { instanceId, userId, organizationId, creatorId } of sessions) {
      expect(instanceId).toBe(demoInstanceId);
      expect(creatorId).toMatch(/^\d{18}$/);
      if (userId) expect(usersById.get(userId)?.organizationId).toBe(organizationId);
    }
  });

  test("a session is created within 60 days and an hour, and changes last when something last happened", () => {
    for (const s of sessions) {
      const moments = momentsOf(s).filter((moment) => moment != null);
      expect(s.createdAt).toBeGreaterThan(now - 60n * day - day / 24n);
      expect(s.changedAt).toBeLessThanOrEqual(now);
      expect([s.createdAt, ...moments].toSorted((a, b) => Number(a - b)).at(-1)).toBe(s.changedAt);
      for (const moment of moments) expect(moment).toBeGreaterThanOrEqual(s.createdAt);
    }
  });

  test("sessions come in the order of their last change, so that their sequence follows it", () => {
    const moments = sessions.map((session) => session.changedAt);

    expect(moments).toEqual(moments.toSorted((a, b) => Number(a - b)));
  });

  test("Mei Tanaka's browser shows two live accounts, which never expire, and two of the past", () => {
    const { user, userAtUniversity, colleague, visitor } = personas;
    const inBrowser = sessions.filter((session) => session.agentFingerprintId === meisBrowserId);
    const live = inBrowser.filter(isLive);

    expect(new Set(inBrowser.map((s) => s.userId))).toEqual(
      new Set([user.id, userAtUniversity.id, colleague.id, visitor.id]),
    );
    expect(new Set(live.map((s) => s.userId))).toEqual(new Set([user.id, userAtUniversity.id]));
    expect(live.every((s) => s.expiresAt == null)).toBe(true);
  });
});
