import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, test } from "vitest";
import { minute, now } from "../support/given.ts";
import { startKratosServer } from "../support/kratos.ts";
import { createFrontend, createIdentity, failureOf, idsOf } from "./ory-kratos.ts";

// The numbers are those of the scenarios in Kratos's own tests: spec/kratos.md, section 5.
const server = await startKratosServer();
afterAll(() => server.close());
const { signIn, signInAs, given } = server;
const frontend = createFrontend(server);
const identity = await createIdentity(server);

const over = { expiresAt: now - minute };
const ended = { endedAt: now - minute };
const unauthorized = { code: 401, status: "Unauthorized", message: "The request could not be authorized" };

describe("listMySessions", () => {
  test("26: five sessions of which two are live are listed without the current one, with links", async () => {
    const ann = await signIn();
    const other = await given.session({ userId: ann.user.id });
    for (const row of [over, ended, { ...over, ...ended }]) await given.session({ userId: ann.user.id, ...row });

    const listed = await frontend.listMySessions({ xSessionToken: ann.token });

    expect(listed.status).toBe(200);
    expect(idsOf(listed)).toEqual([other.id]);
    expect(listed.headers["link"]).not.toBe("");
  });
});

describe("disableMyOtherSessions", () => {
  test("27: ends the one other live session and leaves the current one", async () => {
    const ann = await signIn();
    const other = await signInAs(ann.user);

    const { status, data } = await frontend.disableMyOtherSessions({ xSessionToken: ann.token });

    expect({ status, data }).toEqual({ status: 200, data: { count: 1 } });
    expect(await isActive(other.session.id)).toBe(false);
    expect(await isActive(ann.session.id)).toBe(true);
  });

  test("75: ends all but the current one of two users' two sessions each, and none of the other user", async () => {
    const [ann, bob] = [await signIn(), await signIn()];
    const others = [await signInAs(ann.user), await signInAs(bob.user)];

    const { data } = await frontend.disableMyOtherSessions({ xSessionToken: ann.token });

    expect(data).toEqual({ count: 1 });
    const active = [ann, bob, ...others].map(({ session }) => isActive(session.id));
    expect(await Promise.all(active)).toEqual([true, true, false, true]);
  });

  // Kratos counts the inactive one as well; "count" is what was ended, so here it is not.
  test("76: counts the live one and not the one that was over already", async () => {
    const ann = await signIn();
    for (const row of [ended, over, {}]) await given.session({ userId: ann.user.id, ...row });

    expect((await frontend.disableMyOtherSessions({ xSessionToken: ann.token })).data).toEqual({ count: 1 });
  });
});

describe("disableMySession", () => {
  test("28: ends the one that is named and no other", async () => {
    const ann = await signIn();
    const [one, two] = [await signInAs(ann.user), await signInAs(ann.user)];

    const { status } = await frontend.disableMySession({ id: one.session.id, xSessionToken: ann.token });

    expect(status).toBe(204);
    const active = [ann, one, two].map(({ session }) => isActive(session.id));
    expect(await Promise.all(active)).toEqual([true, false, true]);
  });

  test("29: refuses the current one", async () => {
    const ann = await signIn();

    const failure = await failureOf(frontend.disableMySession({ id: ann.session.id, xSessionToken: ann.token }));

    expect(failure).toMatchObject({ status: 400, error: { message: "cannot revoke current session" } });
    expect(await isActive(ann.session.id)).toBe(true);
  });

  test("30: one that was ended, and one that nobody knows, look the same", async () => {
    const ann = await signIn();
    const revoked = await given.session({ userId: ann.user.id, ...ended });

    for (const id of [revoked.id, randomUUID()]) {
      const { status, data } = await frontend.disableMySession({ id, xSessionToken: ann.token });
      expect({ status, data }).toEqual({ status: 204, data: "" });
    }
  });

  test("77: another user's stays as it is, without a word", async () => {
    const [ann, bob] = [await signIn(), await signIn()];

    const { status } = await frontend.disableMySession({ id: bob.session.id, xSessionToken: ann.token });

    expect(status).toBe(204);
    expect(await isActive(bob.session.id)).toBe(true);
  });
});

describe("toSession", () => {
  test("31: sets no cookie, having got a good one", async () => {
    const ann = await signIn();

    const { status, data, headers } = await frontend.toSession({ cookie: `ory_kratos_session=${ann.token}` });

    expect({ status, id: data.id }).toEqual({ status: 200, id: ann.session.id });
    expect(headers["set-cookie"]).toBeUndefined();
  });

  test("33: sets no cookie for a bearer", async () => {
    const ann = await signIn();

    const { headers } = await frontend.toSession({}, { headers: { Authorization: `Bearer ${ann.token}` } });

    expect(headers["set-cookie"]).toBeUndefined();
  });

  test("50: a bearer is enough", async () => {
    const ann = await signIn();

    const { data } = await frontend.toSession({}, { headers: { Authorization: `Bearer ${ann.token}` } });

    expect(data.id).toBe(ann.session.id);
  });

  test("51: X-Session-Token wins over a bad bearer", async () => {
    const ann = await signIn();

    const headers = { Authorization: "Bearer nonsense" };
    const { status } = await frontend.toSession({ xSessionToken: ann.token }, { headers });

    expect(status).toBe(200);
  });

  test.each([
    ["52: a session at whose end it is", { expiresAt: now - minute }],
    ["53: a revoked session", ended],
    ["54: an inactive session", { ...ended, ...over }],
  ])("%s opens nothing", async (_name, row) => {
    const ann = await signIn({}, row);

    expect(await failureOf(frontend.toSession({ xSessionToken: ann.token }))).toEqual(noCredentials);
  });

  test.each([
    ["no token", undefined],
    ["an unknown token", `ory_st_${"a".repeat(32)}`],
  ])("54: %s opens nothing, and reads the same", async (_name, xSessionToken) => {
    expect(await failureOf(frontend.toSession({ xSessionToken }))).toEqual(noCredentials);
  });

  // Ending by token itself is Kratos's logout, which is another API.
  test("73: a token opens nothing once its session was ended, twice", async () => {
    const ann = await signIn();
    await identity.disableSession({ id: ann.session.id });
    await identity.disableSession({ id: ann.session.id });

    expect(await failureOf(frontend.toSession({ xSessionToken: ann.token }))).toEqual(noCredentials);
  });

  test.each(["Bearer", "bearer", "beaRer", "BEARER"])("67: the scheme may be written %s", async (scheme) => {
    const ann = await signIn();

    const { status } = await frontend.toSession({}, { headers: { Authorization: `${scheme} ${ann.token}` } });

    expect(status).toBe(200);
  });

  test.each<[string, (token: string) => string]>([
    ["another scheme", (token) => `Basic ${token}`],
    ["the token alone", (token) => token],
    ["the scheme alone", () => "Bearer"],
    ["three words", (token) => `Bearer ${token} ${token}`],
    ["nothing", () => ""],
  ])("67: %s is no bearer", async (_name, toAuthorization) => {
    const ann = await signIn();

    const call = frontend.toSession({}, { headers: { Authorization: toAuthorization(ann.token) } });

    expect(await failureOf(call)).toEqual(noCredentials);
  });
});

const noCredentials = {
  status: 401,
  error: { ...unauthorized, reason: "No valid session credentials found in the request." },
};

async function isActive(id: string): Promise<boolean | undefined> {
  return (await identity.getSession({ id })).data.active;
}
