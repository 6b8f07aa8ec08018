import { randomUUID } from "node:crypto";
import { GetSessionExpandEnum as Expand } from "@ory/kratos-client";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { hour, minute, now } from "../support/given.ts";
import { linksOf, type SignedIn, startKratosServer } from "../support/kratos.ts";
import { createFrontend, createIdentity, failureOf, idsOf } from "./ory-kratos.ts";

// The numbers are those of the scenarios in Kratos's own tests: spec/kratos.md, section 5.
const server = await startKratosServer();
afterAll(() => server.close());
const identity = await createIdentity(server);
const device = { agentIp: "1.2.3.4:5678", agentHeader: { "user-agent": ["Firefox"] } };
const unknown = { status: 404, error: { code: 404, status: "Not Found", message: "Unable to locate the resource" } };

let ann: SignedIn;
beforeEach(async () => {
  ann = await server.signIn({}, device);
});

describe("listSessions of one session", () => {
  test("16: lists it without expansions, with one link, whose token holds the nil UUID", async () => {
    const alone = await startKratosServer();
    const { session } = await alone.signIn();

    const listed = await (await createIdentity(alone)).listSessions();
    await alone.close();

    expect(listed.data).toMatchObject([{ id: session.id, active: true, identity: null, devices: null }]);
    const links = linksOf({ headers: new Headers({ link: listed.headers["link"] }) });
    expect(Object.keys(links)).toEqual(["first"]);
    const token = new URLSearchParams(links["first"]?.split("?")[1]).get("page_token") ?? "";
    expect(Buffer.from(token, "base64url").toString()).toContain("id=00000000-0000-0000-0000-000000000000");
  });

  test.each<[string, Expand[], boolean, boolean]>([
    ["nothing", [], false, false],
    ["the identity", [Expand.Identity], true, false],
    ["the devices", [Expand.Devices], false, true],
    ["both", [Expand.Identity, Expand.Devices], true, true],
  ])("17: expands %s", async (_name, expand, hasIdentity, hasDevices) => {
    const { data } = await identity.listSessions({ expand, pageSize: 1_000 });

    const listed = data.find(({ id }) => id === ann.session.id);
    expect(listed?.identity?.id ?? null).toBe(hasIdentity ? ann.user.id : null);
    expect(listed?.devices ?? null).toEqual(
      hasDevices ? [{ id: expect.any(String), ip_address: "1.2.3.4", user_agent: "Firefox", location: null }] : null,
    );
  });
});

describe("getSession and disableSession", () => {
  test("19: an ended one is still there, inactive", async () => {
    expect((await identity.disableSession({ id: ann.session.id })).status).toBe(204);

    expect((await identity.getSession({ id: ann.session.id })).data).toMatchObject({ active: false });
  });

  test("20: an expired one is inactive", async () => {
    const { id } = await server.given.session({ userId: ann.user.id, expiresAt: now - minute });

    expect((await identity.getSession({ id })).data).toMatchObject({ active: false });
  });

  test("21: one of a disabled user is inactive, if the identity is asked for", async () => {
    const bob = await server.signIn({ state: "inactive" });

    const { data } = await identity.getSession({ id: bob.session.id, expand: [Expand.Identity] });

    expect(data).toMatchObject({ active: false, identity: { id: bob.user.id, state: "inactive" } });
  });

  test.each([
    ["ended, with a future end", { endedAt: now - minute, expiresAt: now + hour }],
    ["not ended, with an end long ago", { expiresAt: 0n }],
  ])("59: one that is %s is not active", async (_name, row) => {
    const { id } = await server.given.session({ userId: ann.user.id, ...row });

    expect((await identity.getSession({ id })).data.active).toBe(false);
  });

  test("74: ending one twice is silent, ending one that nobody knows is not", async () => {
    const id = ann.session.id;
    const ends = [await identity.disableSession({ id }), await identity.disableSession({ id })];

    expect(ends.map(({ status }) => status)).toEqual([204, 204]);
    expect(await failureOf(identity.disableSession({ id: randomUUID() }))).toEqual(unknown);
  });
});

describe("what is shown", () => {
  test("60: metadata_public is shown to its user and to managers, metadata_admin is nowhere", async () => {
    const metadataPublic = { plan: "gold" };
    const bob = await server.signIn({ metadataPublic });
    const mine = await createFrontend(server).toSession({ xSessionToken: bob.token });
    const managed = await identity.getSession({ id: bob.session.id, expand: [Expand.Identity] });

    for (const { data } of [mine, managed]) {
      expect(data).toMatchObject({ active: true, identity: { metadata_public: metadataPublic } });
      expect(data.identity).not.toHaveProperty("metadata_admin");
    }
  });

  test.each([
    ["61: the address of its agent, without the port", { agentIp: "[2001:db8::1]:443" }, { ip_address: "2001:db8::1" }],
    ["62: the address as it was found", { agentIp: "203.0.113.9" }, { ip_address: "203.0.113.9" }],
    [
      "63: three User-Agent lines joined by spaces",
      { agentHeader: { "User-Agent": ["a", "b", "c"] } },
      { user_agent: "a b c" },
    ],
    ["64: no location, since it is not known", device, { location: null }],
  ])("%s", async (_rule, row, expected) => {
    const { token } = await server.signIn({}, row);

    const { data } = await createFrontend(server).toSession({ xSessionToken: token });

    expect(data.devices).toEqual([expect.objectContaining(expected)]);
  });
});

describe("extendSession", () => {
  test("34: one with five minutes left lives for a lifespan from now on", async () => {
    const { id } = await server.given.session({ userId: ann.user.id, expiresAt: now + 5n * minute });

    const { status, data } = await identity.extendSession({ id });

    expect({ status, expires: data.expires_at }).toEqual({ status: 200, expires: "2026-03-02T12:00:00.123456Z" });
  });

  // Any text may be an id here, so it is a session that nobody knows.
  test.each([
    ["35: an id that is no UUID", "BADUUID"],
    ["36: an unknown UUID", randomUUID()],
  ])("%s is not found", async (_name, id) => {
    expect(await failureOf(identity.extendSession({ id }))).toEqual(unknown);
  });

  test("37: is no public route", async () => {
    const { status, json } = await server.ask("PATCH", `/sessions/${ann.session.id}/extend`, ann);

    expect({ status, reason: json.error.reason }).toEqual({ status: 404, reason: undefined });
  });

  // Kratos leaves one alone that has enough time left, if told to; that setting does not exist here.
  test.each([
    ["10 hours", 10n * hour],
    ["1 hour", hour],
  ])("79: one with %s left lives for a lifespan from now on", async (_name, left) => {
    const { id } = await server.given.session({ userId: ann.user.id, expiresAt: now + left });

    expect((await identity.extendSession({ id })).data.expires_at).toBe("2026-03-02T12:00:00.123456Z");
  });
});

describe("sessions of other instances", () => {
  test("78: can neither be found nor changed", async () => {
    const other = await startKratosServer();
    const [elsewhere, frontend] = [await createIdentity(other), createFrontend(other)];
    const { id } = ann.session;
    const before = (await identity.getSession({ id })).data;

    for (const call of [
      () => elsewhere.getSession({ id }),
      () => elsewhere.disableSession({ id }),
      () => elsewhere.extendSession({ id }),
      () => elsewhere.deleteIdentitySessions({ id: ann.user.id }),
    ]) {
      expect(await failureOf(call())).toEqual(unknown);
    }
    expect(await failureOf(frontend.toSession({ xSessionToken: ann.token }))).toMatchObject({ status: 401 });
    expect(idsOf(await elsewhere.listSessions())).toEqual([]);
    await other.close();

    expect((await identity.getSession({ id })).data).toEqual(before);
  });
});
