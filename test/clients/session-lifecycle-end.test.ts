import type { JsonObject } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { second } from "../support/given.ts";
import {
  assertion,
  createCaller,
  failureWith,
  instanceOwner,
  lifecycleClients,
  login,
  nobody,
  notPermitted,
  organizationOwner,
  sessionUnknown,
  startLifecycle,
} from "./lifecycle.ts";
import { restByFetch } from "./rest.ts";

const { server, connect } = await startLifecycle();

const tokenInvalid = failureWith(7, "Errors.Session.Token.Invalid", "COMMAND-sGr42");
const unauthenticated = failureWith(16, "Errors.Token.Invalid", "AUTH-7fs1e");

const byPassword = { password: { password: "right" } };

// The numbers are those of the scenarios in Zitadel's integration tests.
describe.each(lifecycleClients)("$name", (kind) => {
  const { as, bearing } = connect(kind);

  describe("DeleteSession", () => {
    test("D1: a wrong token is refused, also to who created the session; the session's token ends it", async () => {
      const { sessionId, sessionToken } = await openSession();
      const other = await openSession();
      const caller = await as({ sub: login.sub });

      for (const wrong of ["invalid", other.sessionToken]) {
        const failure = await caller.failure("DeleteSession", { sessionId, sessionToken: wrong });
        expect(failure).toEqual(tokenInvalid);
      }
      await (await as(nobody)).end(sessionId, sessionToken);

      expect(await (await as(instanceOwner)).failure("GetSession", { sessionId })).toEqual(sessionUnknown);
    });

    test("D2: another user's session token as bearer is not enough", async () => {
      const { sessionId } = await openSession(await checking(byPassword));
      const other = await openSession(await checking(byPassword));

      expect(await bearing(other.sessionToken).failure("DeleteSession", { sessionId })).toEqual(notPermitted);
      expect((await (await as(instanceOwner)).get(sessionId)).id).toBe(sessionId);
    });

    test("D3: a user ends their own session with its own token as bearer", async () => {
      const { sessionId, sessionToken } = await openSession(await checking(byPassword));

      await bearing(sessionToken).end(sessionId);

      expect(await (await as(instanceOwner)).failure("GetSession", { sessionId })).toEqual(sessionUnknown);
    });

    test("D4: an organization's owner ends the session of one of its users", async () => {
      const { sessionId } = await openSession(await checking());

      await (await as(organizationOwner)).end(sessionId);

      expect(await (await as(instanceOwner)).failure("GetSession", { sessionId })).toEqual(sessionUnknown);
    });

    test("D4: an organization's owner does not end a session of nobody, nor one of another's user", async () => {
      const { id } = await server.given.user({ organizationId: "org-2" });
      const sessions = [await openSession(), await openSession({ checks: { user: { userId: id } } })];

      for (const { sessionId } of sessions) {
        expect(await (await as(organizationOwner)).failure("DeleteSession", { sessionId })).toEqual(notPermitted);
      }
    });

    test("D5: an expired session is still there, and is ended by its token", async () => {
      const { sessionId, sessionToken } = await openSession({ lifetime: "5s" });
      const caller = await as(instanceOwner);
      server.clock.pass(10n * second);
      expect((await caller.get(sessionId)).id).toBe(sessionId);

      await (await as(nobody)).end(sessionId, sessionToken);

      expect(await caller.failure("GetSession", { sessionId })).toEqual(sessionUnknown);
    });

    test("it answers with what ending made of the session, and the same again however often", async () => {
      const { sessionId, sessionToken, details: opened } = await openSession();
      const caller = await as(instanceOwner);
      server.clock.pass(second);

      const { details } = await caller.end(sessionId);

      expect(details?.sequence).toSatisfy((sequence: bigint) => sequence > (opened?.sequence ?? 0n));
      expect(details?.changeDate?.seconds).toSatisfy((at: bigint) => at > (opened?.changeDate?.seconds ?? 0n));
      expect(details?.resourceOwner).toBe(server.instanceId);
      expect((await caller.end(sessionId)).details).toEqual(details);
      expect((await caller.end(sessionId, sessionToken)).details).toEqual(details);
    });

    test("an unknown session is ended already for who may end all, and not for anybody else", async () => {
      const { details } = await (await as(instanceOwner)).end("unknown");

      expect(details).toMatchObject({ resourceOwner: server.instanceId, sequence: 0n });
      for (const claims of [organizationOwner, nobody]) {
        expect(await (await as(claims)).failure("DeleteSession", { sessionId: "unknown" })).toEqual(notPermitted);
      }
    });

    // In Zitadel too, although its proto says otherwise.
    test("neither having created a session nor living in its agent is enough", async () => {
      const { sessionId } = await openSession({ userAgent: { fingerprintId: "agent" } });

      for (const claims of [{ sub: login.sub }, { ...nobody, agent_id: "agent" }]) {
        expect(await (await as(claims)).failure("DeleteSession", { sessionId })).toEqual(notPermitted);
      }
    });
  });

  describe("a session's token as bearer", () => {
    test("Z1: is refused without a factor beyond the user", async () => {
      for (const request of [{}, await checking()]) {
        const { sessionId, sessionToken } = await openSession(request);

        expect(await bearing(sessionToken).failure("GetSession", { sessionId })).toEqual(unauthenticated);
      }
    });

    // Which second factors somebody began to set up, only the verifier knows.
    test("Z2: is good with the password alone", async () => {
      const { sessionId, sessionToken } = await openSession(await checking(byPassword));

      expect((await bearing(sessionToken).get(sessionId)).id).toBe(sessionId);
    });

    test("Z4: is good with a passkey", async () => {
      const { sessionId } = await openSession(await checking());
      const { sessionToken } = await (await as(login)).set(sessionId, { checks: assertion(true) });

      expect((await bearing(sessionToken).get(sessionId)).id).toBe(sessionId);
    });

    test("Z5: is refused after DeleteSession", async () => {
      const { sessionId, sessionToken } = await openSession(await checking(byPassword));
      const caller = bearing(sessionToken);
      await caller.get(sessionId);
      await caller.end(sessionId);

      expect(await caller.failure("GetSession", { sessionId })).toEqual(unauthenticated);
    });

    test("Z6: is refused after the session's expiration, and good until then", async () => {
      const { sessionId, sessionToken } = await openSession({ ...(await checking(byPassword)), lifetime: "60s" });
      const caller = bearing(sessionToken);
      server.clock.pass(50n * second);
      expect((await caller.get(sessionId)).id).toBe(sessionId);

      server.clock.pass(10n * second);

      expect(await caller.failure("GetSession", { sessionId })).toEqual(unauthenticated);
    });

    test("has no rights but those of its user", async () => {
      const { sessionToken } = await openSession(await checking(byPassword));
      const { sessionId: others } = await openSession();
      const caller = bearing(sessionToken);

      expect(await caller.failure("CreateSession", {})).toEqual(notPermitted);
      expect(await caller.failure("GetSession", { sessionId: others })).toEqual(sessionUnknown);
      expect(await caller.failure("SetSession", { sessionId: others, lifetime: "1s" })).toEqual(sessionUnknown);
    });
  });

  async function checking(more: JsonObject = {}) {
    const { id: userId } = await server.given.user();
    return { checks: { user: { userId }, ...more } };
  }

  async function openSession(request: JsonObject = {}) {
    return await (await as(login)).create(request);
  }
});

test("DeleteSession in REST takes a request without a body", async () => {
  const token = await server.issuer.token(instanceOwner);
  const caller = createCaller(restByFetch.open(server.url), token);
  const { sessionId } = await caller.create();
  const headers = { authorization: `Bearer ${token}` };

  const response = await fetch(`${server.url}/v2/sessions/${sessionId}`, { method: "DELETE", headers });

  expect(response.status).toBe(200);
  expect(await caller.failure("GetSession", { sessionId })).toEqual(sessionUnknown);
});
