import { randomUUID } from "node:crypto";
import { toJson } from "@bufbuild/protobuf";
import { eq } from "drizzle-orm";
import { afterAll, describe, expect, test } from "vitest";
import {
  FactorsSchema,
  type Session,
  SessionSchema,
  UserAgentSchema,
} from "../../../gen/zitadel/session/v2/session_pb.ts";
import { type NewSession, users } from "../../../src/sessions/schema.ts";
import { createGiven, hour, now, second } from "../../support/given.ts";
import { startTestServer } from "../../support/server.ts";
import { admin, as, createClients } from "../clients.ts";
import { byIds } from "../queries.ts";

const server = await startTestServer();
afterAll(() => server.close());
const { sessions } = createClients(server);
const { given } = server;

const checkedAt = now - second;
const verifiedAt = "2026-03-01T11:59:59.123456Z";

describe("ListSessions, fields", () => {
  test("a session with nothing has an id, two dates and a sequence", async () => {
    const { id, sequence } = await given.session({ createdAt: now - hour, changedAt: now });

    expect(await getJson(id)).toEqual({
      id,
      creationDate: "2026-03-01T11:00:00.123456Z",
      changeDate: "2026-03-01T12:00:00.123456Z",
      sequence: String(sequence),
    });
  });

  test("an expiration date is told to the microsecond", async () => {
    const { id } = await given.session({ expiresAt: now + 1n });

    expect(await getJson(id)).toMatchObject({ expirationDate: "2026-03-01T12:00:00.123457Z" });
  });
});

describe("ListSessions, factors", () => {
  test("a session without a checked user has none", async () => {
    const { id } = await given.session();

    expect((await get(id)).factors).toBeUndefined();
  });

  test("a checked user alone is the only one", async () => {
    const userId = (await given.user({ id: randomUUID(), loginName: "ann@example.com", displayName: "Ann" })).id;
    const { id } = await given.session({ userId, organizationId: "org-7", userCheckedAt: checkedAt });

    const { factors } = await get(id);

    expect(factors && toJson(FactorsSchema, factors)).toEqual({
      user: { verifiedAt, id: userId, loginName: "ann@example.com", displayName: "Ann", organizationId: "org-7" },
    });
  });

  test.each<[string, Partial<NewSession>, object]>([
    ["password", { passwordCheckedAt: checkedAt }, { password: { verifiedAt } }],
    [
      "webAuthN without user verification",
      { webAuthNCheckedAt: checkedAt, webAuthNUserVerified: false },
      { webAuthN: { verifiedAt } },
    ],
    [
      "webAuthN with user verification",
      { webAuthNCheckedAt: checkedAt, webAuthNUserVerified: true },
      { webAuthN: { verifiedAt, userVerified: true } },
    ],
    ["intent", { intentCheckedAt: checkedAt }, { intent: { verifiedAt } }],
    ["totp", { totpCheckedAt: checkedAt }, { totp: { verifiedAt } }],
    ["otpSms", { otpSmsCheckedAt: checkedAt }, { otpSms: { verifiedAt } }],
    ["otpEmail", { otpEmailCheckedAt: checkedAt }, { otpEmail: { verifiedAt } }],
    ["recoveryCode", { recoveryCodeCheckedAt: checkedAt }, { recoveryCode: { verifiedAt } }],
  ])("%s is there only if it was checked", async (_name, columns, expected) => {
    const { id } = await given.session({ userId: randomUUID(), ...columns });

    const { factors } = await get(id);

    expect(factors && toJson(FactorsSchema, factors)).toEqual({ user: expect.anything(), ...expected });
  });
});

describe("ListSessions, names of the user", () => {
  test("are those of now, not those of the sign-in", async () => {
    const user = await given.user();
    const { id } = await given.session({ userId: user.id });
    await server.database.db
      .update(users)
      .set({ loginName: "married@example.com", displayName: "Ann Married", organizationId: "org-moved" })
      .where(eq(users.id, user.id));

    expect((await get(id)).factors?.user).toMatchObject({
      loginName: "married@example.com",
      displayName: "Ann Married",
      organizationId: "org-1",
    });
  });

  test("are empty for an unknown user", async () => {
    const { id } = await given.session({ userId: "unknown" });

    expect((await get(id)).factors?.user).toMatchObject({ id: "unknown", loginName: "", displayName: "" });
  });

  test("are never those of a user of another instance", async () => {
    const user = await createGiven(server.database, randomUUID()).user();
    const { id } = await given.session({ userId: user.id });

    expect((await get(id)).factors?.user).toMatchObject({ id: user.id, loginName: "", displayName: "" });
  });
});

describe("ListSessions, user agent", () => {
  test.each<[string, Partial<NewSession>, object | undefined]>([
    ["is absent if nothing about it is known", {}, undefined],
    ["keeps an empty fingerprint", { agentFingerprintId: "" }, { fingerprintId: "" }],
    ["keeps an empty ip", { agentIp: "" }, { ip: "" }],
    ["keeps an empty description", { agentDescription: "" }, { description: "" }],
    ["is there with no header fields", { agentHeader: {} }, {}],
    ["keeps a header field without values", { agentHeader: { foo: [] } }, { header: { foo: {} } }],
    [
      "tells all that is known",
      {
        agentFingerprintId: "firefox",
        agentIp: "2001:db8::1",
        agentDescription: "Firefox, 🐧",
        agentHeader: { foo: ["foo", "bar"], "user-agent": ["Mozilla"] },
      },
      {
        fingerprintId: "firefox",
        ip: "2001:db8::1",
        description: "Firefox, 🐧",
        header: { foo: { values: ["foo", "bar"] }, "user-agent": { values: ["Mozilla"] } },
      },
    ],
  ])("%s", async (_rule, columns, expected) => {
    const { id } = await given.session(columns);

    const { userAgent } = await get(id);

    expect(userAgent && toJson(UserAgentSchema, userAgent)).toEqual(expected);
  });
});

describe("ListSessions, metadata", () => {
  test.each<[string, Record<string, Uint8Array>]>([
    ["text", { hello: Buffer.from("world") }],
    ["bytes that are no text", { bytes: Uint8Array.of(0, 255, 254, 128) }],
    ["an empty value", { empty: new Uint8Array() }],
    ["an empty key, and keys of any script", { "": Uint8Array.of(1), "ключ 🗝": Uint8Array.of(2) }],
    ["lengths of every base64 padding", { a: Uint8Array.of(1), b: Uint8Array.of(1, 2), c: Uint8Array.of(1, 2, 3) }],
  ])("%s comes back byte by byte", async (_rule, metadata) => {
    const stored = Object.entries(metadata).map(([key, bytes]) => [key, Buffer.from(bytes).toString("base64")]);
    const { id } = await given.session({ metadata: Object.fromEntries(stored) });

    const received = Object.entries((await get(id)).metadata).map(([key, bytes]) => [key, [...bytes]]);

    const sent = Object.entries(metadata).map(([key, bytes]) => [key, [...bytes]]);
    expect(Object.fromEntries(received)).toEqual(Object.fromEntries(sent));
  });
});

async function get(id: string): Promise<Session> {
  const response = await sessions.listSessions({ queries: [{ query: byIds(id) }] }, await as(server, admin));
  const [session] = response.sessions;
  if (session === undefined) throw new Error(`session ${id} is not listed`);
  return session;
}

/** The session as JSON, where what is absent is not there and dates are easy to read. */
async function getJson(id: string) {
  return toJson(SessionSchema, await get(id));
}
