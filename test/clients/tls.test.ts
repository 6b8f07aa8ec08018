import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import { testTls } from "../support/sockets.ts";
import { connectNodeClients } from "./connect-node.ts";
import { curl } from "./curl.ts";
import { grpcJs } from "./grpc-js.ts";
import { runScenario, scenariosOf } from "./run-scenario.ts";
import { zitadelClient } from "./zitadel-client.ts";

const certificateFile = fileURLToPath(new URL("../support/tls/test-only-cert.pem", import.meta.url));
const kinds = [
  zitadelClient,
  grpcJs,
  ...connectNodeClients,
  curl("curl, HTTP/1.1", "1.1", "--http1.1", "--cacert", certificateFile),
  curl("curl, HTTP/2", "2", "--http2", "--cacert", certificateFile),
];

const server = await startTestServer({ tls: testTls });
afterAll(() => server.close());
// There is something to leave out.
beforeAll(() => server.given.session());

describe.each(kinds)("$name over TLS", (kind) => {
  const client = kind.open(server.url, testTls.cert);
  afterAll(() => client.close());
  const few = scenariosOf(kind).filter(({ name }) => /^(L1|L4|L17|B4)\b/.test(name));

  test.each(few)("$name", async (scenario) => {
    await runScenario(server, client, scenario);
  });
});
