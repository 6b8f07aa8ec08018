import { afterAll, describe, expect, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import { clients } from "./clients.ts";

const methods = [
  ["GetSession", { sessionId: "1" }],
  ["CreateSession", {}],
  ["SetSession", { sessionId: "1" }],
  ["DeleteSession", { sessionId: "1" }],
] as const;
const services = ["zitadel.session.v2.SessionService", "zitadel.session.v2beta.SessionService"] as const;

const server = await startTestServer();
afterAll(() => server.close());

describe.each(clients)("$name", (kind) => {
  const client = kind.open(server.url);
  afterAll(() => client.close());

  describe.each(services)("%s", (service) => {
    test.each(methods)("%s is not built", async (method, request) => {
      const token = await server.issuer.token();

      const outcome = await client.call(`${service}/${method}`, request, token);

      expect(outcome).toEqual({
        failure: { code: 12, message: `${service}.${method} is not implemented`, details: [] },
      });
    });
  });
});
