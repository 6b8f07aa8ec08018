import { describe, expect, test } from "vitest";
import { minute } from "../support/given.ts";
import {
  createCaller,
  factorNames,
  instanceOwner,
  instantOfTimestamp,
  lifecycleClients,
  login,
  nobody,
  plainFailure,
  sessionUnknown,
  startLifecycle,
  tokenUnknown,
} from "./lifecycle.ts";
import { restByFetch } from "./rest.ts";

const { server, connect } = await startLifecycle();

// The numbers are those of the scenarios in Zitadel's integration tests.
describe.each(lifecycleClients)("GetSession by $name", (kind) => {
  const { as } = connect(kind);

  test("G1: an empty id is refused", async () => {
    const failure = await (await as(instanceOwner)).failure("GetSession", { sessionId: "" });

    // In REST it is part of the path, and there is no such path.
    const refused = plainFailure(3, "sessionId: must have 1 to 200 characters");
    expect(failure).toEqual(kind === restByFetch ? plainFailure(5, "Not Found") : refused);
  });

  test("G2: an unknown id is not found", async () => {
    expect(await (await as(instanceOwner)).failure("GetSession", { sessionId: "unknown" })).toEqual(sessionUnknown);
  });

  // Zitadel says that the permission is missing, and so that there is such a session.
  test("G3: a session that the caller may not see is not found, like one that does not exist", async () => {
    const { sessionId } = await (await as(login)).create();

    expect(await (await as(nobody)).failure("GetSession", { sessionId })).toEqual(sessionUnknown);
  });

  test("G4: the instance's owner gets a session without its token", async () => {
    const { sessionId, details } = await (await as(login)).create();

    const session = await (await as(instanceOwner)).get(sessionId);

    expect(session).toMatchObject({ id: sessionId, sequence: details?.sequence, creationDate: details?.changeDate });
    expect([session.factors, session.userAgent, session.expirationDate]).toEqual([undefined, undefined, undefined]);
  });

  test("G5: whoever has a session's token gets it", async () => {
    const { sessionId, sessionToken } = await (await as(login)).create();

    expect((await (await as(nobody)).get(sessionId, sessionToken)).id).toBe(sessionId);
  });

  test("G5: a token that is not the session's is refused, also to who may see the session", async () => {
    const caller = await as(instanceOwner);
    const [{ sessionId }, other] = [await caller.create(), await caller.create()];

    for (const sessionToken of ["invalid", other.sessionToken, `${other.sessionToken}x`]) {
      expect(await caller.failure("GetSession", { sessionId, sessionToken })).toEqual(tokenUnknown);
    }
  });

  test("G6: it has the user agent", async () => {
    const caller = await as(login);
    const header = { foo: { values: ["foo", "bar"] } };
    const userAgent = { fingerprintId: "fingerprint", ip: "1.2.3.4", description: "Description", header };
    const { sessionId } = await caller.create({ userAgent });

    expect((await caller.get(sessionId)).userAgent).toMatchObject(userAgent);
  });

  test("G6: it has the expiration, the lifetime after its creation", async () => {
    const caller = await as(login);
    const { sessionId } = await caller.create({ lifetime: "300s" });

    const { creationDate, expirationDate } = await caller.get(sessionId);

    expect(instantOfTimestamp(expirationDate) - instantOfTimestamp(creationDate)).toBe(5n * minute);
  });

  test("G6: it has the metadata", async () => {
    const caller = await as(login);
    const { sessionId } = await caller.create({ metadata: { foo: "YmFy", bytes: "AP8=" } });

    const { metadata } = await caller.get(sessionId);

    expect(Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, [...value]]))).toEqual({
      foo: [...Buffer.from("bar")],
      bytes: [0, 255],
    });
  });

  test("G6: it has the checked user, and when that was", async () => {
    const caller = await as(login);
    const { id, loginName, displayName, organizationId } = await server.given.user();
    const { sessionId, details } = await caller.create({ checks: { user: { userId: id } } });

    const session = await caller.get(sessionId);

    const verifiedAt = details?.changeDate;
    expect(factorNames(session)).toEqual(["user"]);
    expect(session.factors?.user).toMatchObject({ verifiedAt, id, loginName, displayName, organizationId });
  });
});

describe("GetSession in REST", () => {
  test.each(["sessionToken", "session_token"])("takes the token as the query parameter %s", async (name) => {
    const client = restByFetch.open(server.url);
    const { sessionId, sessionToken } = await createCaller(client, await server.issuer.token(login)).create();
    const headers = { authorization: `Bearer ${await server.issuer.token(nobody)}` };

    const response = await fetch(`${server.url}/v2/sessions/${sessionId}?${name}=${sessionToken}`, { headers });

    expect({ status: response.status, json: await response.json() }).toMatchObject({
      status: 200,
      json: { session: { id: sessionId } },
    });
    expect(JSON.stringify(server.log)).not.toContain(sessionToken);
  });
});
