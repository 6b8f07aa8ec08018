import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, describe, expect, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import { clients } from "./clients.ts";
import { login } from "./lifecycle.ts";

const services = ["zitadel.session.v2.SessionService", "zitadel.session.v2beta.SessionService"] as const;
const advice = "set VERIFIER_URL and VERIFIER_SECRET to the service that knows the users' credentials";

const server = await startTestServer();
afterAll(() => server.close());

describe.each(clients)("$name, without a verifier", (kind) => {
  const client = kind.open(server.url);
  afterAll(() => client.close());

  test.each(services)("%s makes no check beyond the user, and says what to set", async (service) => {
    const { id: userId } = await server.given.user();
    const request: JsonObject = { checks: { user: { userId }, password: { password: "right" } } };

    const outcome = await client.call(`${service}/CreateSession`, request, await server.issuer.token(login));

    const message = `password: no verifier is configured; ${advice}`;
    expect(outcome).toEqual({ failure: { code: 12, message, details: [] } });
  });
});
