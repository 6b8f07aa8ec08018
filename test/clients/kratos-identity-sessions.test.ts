import { randomUUID } from "node:crypto";
import { ListSessionsExpandEnum as Expand, type IdentityApi } from "@ory/kratos-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { minute, now, second } from "../support/given.ts";
import { linksOf, type SignedIn, startKratosServer } from "../support/kratos.ts";
import { createFrontend, createIdentity, failureOf, idsOf } from "./ory-kratos.ts";

// The numbers are those of the scenarios in Kratos's own tests: spec/kratos.md, section 5.
const server = await startKratosServer();
afterAll(() => server.close());
const identity = await createIdentity(server);
const frontend = createFrontend(server);

// Five sessions, of which every other one is over, and one of somebody else.
let ann: SignedIn;
let bob: SignedIn;
let ids: string[];
beforeAll(async () => {
  const agentIp = "1.2.3.4";
  ann = await server.signIn({}, { createdAt: now - 5n * second, agentIp });
  ids = [ann.session.id];
  for (const i of [1n, 2n, 3n, 4n]) {
    const over = i % 2n === 1n ? { endedAt: now - second, expiresAt: now - minute } : {};
    const createdAt = now - 5n * second + i * second;
    const { session } = await server.signInAs(ann.user, { createdAt, agentIp, ...over });
    ids.push(session.id);
  }
  bob = await server.signIn({}, { createdAt: now, agentIp });
});

describe("listIdentitySessions", () => {
  test("18: lists the one session of a user, with the identity and without metadata_admin", async () => {
    const { data } = await identity.listIdentitySessions({ id: bob.user.id });

    expect(data).toMatchObject([{ id: bob.session.id, identity: { id: bob.user.id } }]);
    expect(data[0]?.identity).not.toHaveProperty("metadata_admin");
  });

  test.each([
    ["25, 68: all", undefined, [4, 3, 2, 1, 0]],
    ["25, 68: the active ones", true, [4, 2, 0]],
    ["25, 68: the inactive ones", false, [3, 1]],
  ])("%s, newest first, with links and the total", async (_name, active, expected) => {
    const listed = await identity.listIdentitySessions({ id: ann.user.id, active });

    expect(idsOf(listed)).toEqual(expected.map((i) => ids[i]));
    expect(listed.headers["x-total-count"]).toBe(String(expected.length));
    expect(listed.headers["link"]).toMatch(/; rel="first"$/);
  });

  test("68: the active ones except the one in use are what its user sees", async () => {
    const listed = await frontend.listMySessions({ xSessionToken: ann.token });

    expect(idsOf(listed)).toEqual([ids[4], ids[2]]);
    expect(listed.headers["x-total-count"]).toBe("2");
  });

  test("23: an id that is no UUID is that of a user without sessions", async () => {
    const { data, headers } = await identity.listIdentitySessions({ id: "BADUUID" });

    expect({ data, total: headers["x-total-count"] }).toEqual({ data: [], total: "0" });
    expect(await failureOf(identity.deleteIdentitySessions({ id: "BADUUID" }))).toMatchObject({ status: 404 });
  });

  test("23: an id that nothing can have is refused", async () => {
    const id = "a\nb";

    expect(await failureOf(identity.listIdentitySessions({ id }))).toMatchObject({ status: 400 });
    expect(await failureOf(identity.deleteIdentitySessions({ id }))).toMatchObject({ status: 400 });
  });

  test("69: from another instance there are none", async () => {
    const other = await startKratosServer();

    const { data, headers } = await (await createIdentity(other)).listIdentitySessions({ id: ann.user.id });
    await other.close();

    expect({ data, total: headers["x-total-count"] }).toEqual({ data: [], total: "0" });
  });
});

describe("listSessions", () => {
  test.each([
    ["all", undefined, 6],
    ["the active ones", true, 4],
    ["the inactive ones", false, 2],
  ])("70: %s, each with its device and identity, on the last page of size 250", async (_name, active, count) => {
    const listed = await identity.listSessions({ active, expand: [Expand.Identity, Expand.Devices] });

    expect(listed.data).toHaveLength(count);
    for (const { id, identity: owner, devices } of listed.data) {
      expect(devices).toHaveLength(1);
      expect(owner?.id).toBe(id === bob.session.id ? bob.user.id : ann.user.id);
    }
    const links = linksOf({ headers: new Headers({ link: listed.headers["link"] }) });
    expect(Object.keys(links)).toEqual(["first"]);
    expect(links["first"]).toContain("page_size=250");
  });

  test("71: six of them come in two pages of three, disjoint and complete", async () => {
    const first = await page(identity, undefined);
    const second = await page(identity, first.next);

    expect([first.ids.length, second.ids.length]).toEqual([3, 3]);
    expect([...first.ids, ...second.ids]).toEqual([bob.session.id, ...ids.toReversed()]);
    expect({ first: first.next !== undefined, second: second.next }).toEqual({ first: true, second: undefined });
  });
});

describe("deleteIdentitySessions", () => {
  test("22: removes the rows, after which the list is empty", async () => {
    const cy = await server.signIn();
    await server.signInAs(cy.user, { endedAt: now - second });

    expect((await identity.deleteIdentitySessions({ id: cy.user.id })).status).toBe(204);

    const { status, data } = await identity.listIdentitySessions({ id: cy.user.id });
    expect({ status, data }).toEqual({ status: 200, data: [] });
    expect(await failureOf(identity.getSession({ id: cy.session.id }))).toMatchObject({ status: 404 });
  });

  test("24: of a user that nobody knows is not found", async () => {
    expect(await failureOf(identity.deleteIdentitySessions({ id: randomUUID() }))).toMatchObject({ status: 404 });
  });
});

async function page(api: IdentityApi, pageToken: string | undefined) {
  const listed = await api.listSessions({ pageSize: 3, pageToken });
  const { next } = linksOf({ headers: new Headers({ link: listed.headers["link"] }) });
  const token = next && new URLSearchParams(next.split("?")[1]).get("page_token");
  return { ids: idsOf(listed), next: token ?? undefined };
}
