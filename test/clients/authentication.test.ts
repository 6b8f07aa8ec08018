import { afterAll, describe, expect, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import type { Rpc } from "./client.ts";
import { clients } from "./clients.ts";

const rpcs: Rpc[] = [
  "zitadel.session.v2.SessionService/ListSessions",
  "zitadel.session.v2beta.SessionService/ListSessions",
  "zitadel.auth.v1.AuthService/ListMyUserSessions",
];

const server = await startTestServer();
afterAll(() => server.close());

describe.each(clients)("$name", (kind) => {
  const client = kind.open(server.url);
  afterAll(() => client.close());

  test.each(rpcs)("%s asks for a token", async (rpc) => {
    expect(await client.call(rpc, {})).toEqual({ failure: { code: 16, message: "auth header missing", details: [] } });
  });

  test.each(rpcs)("%s refuses a bad token", async (rpc) => {
    expect(await client.call(rpc, {}, "bad")).toEqual({
      failure: {
        code: 16,
        message: "Errors.Token.Invalid (AUTH-7fs1e)",
        details: [{ id: "AUTH-7fs1e", message: "Errors.Token.Invalid" }],
      },
    });
  });
});
