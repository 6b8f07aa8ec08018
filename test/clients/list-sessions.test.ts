import { afterAll, beforeAll, describe, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import { clients } from "./clients.ts";
import { runScenario, scenariosOf } from "./run-scenario.ts";

const server = await startTestServer();
afterAll(() => server.close());
// There is something to leave out.
beforeAll(() => server.given.session());

describe.each(clients)("ListSessions by $name", (kind) => {
  const client = kind.open(server.url);
  afterAll(() => client.close());

  test.each(scenariosOf(kind))("$name", async (scenario) => {
    await runScenario(server, client, scenario);
  });
});
