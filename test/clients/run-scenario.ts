import { expect } from "vitest";
import type { TestServer } from "../support/server.ts";
import type { Client, ClientKind } from "./client.ts";
import { type Scenario, scenarios } from "./scenarios.ts";
import { expectSessions } from "./stored.ts";

/** The scenarios that a client can spell. */
export function scenariosOf({ protos }: ClientKind): Scenario[] {
  return scenarios.filter(({ needs = protos }) => needs === protos);
}

/** Arranges a scenario on the server, asks as it says, and expects what it says. */
export async function runScenario(server: TestServer, client: Client, scenario: Scenario): Promise<void> {
  const stored = await scenario.given(server.given);
  const token = await server.issuer.token(scenario.caller);

  const outcome = await client.call(scenario.rpc, scenario.request(stored), token);

  if (scenario.expected === "all of them") expectSessions(outcome, stored);
  else if (scenario.expected === "none of them") expectSessions(outcome, []);
  else expect(outcome).toEqual({ failure: scenario.expected });
}
