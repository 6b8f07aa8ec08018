import { channel } from "node:diagnostics_channel";
import dns from "node:dns";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { hang, reset, type TestVerifier } from "./support/verifier.ts";
import {
  type Asked,
  askVerifier,
  failureOf,
  freePort,
  givenVerifier,
  listen,
  proven,
  silent,
} from "./support/verifier-client.ts";

const shortMs = 50;
const minuteMs = 60_000;

let verifier: TestVerifier;
beforeEach(async () => {
  verifier = await givenVerifier();
});
const ask = (asked?: Asked) => askVerifier(verifier, asked);

describe("a verifier that is down", () => {
  test("is asked a second time, and proves the check if it is up then", async () => {
    const server = http.createServer((request, response) => request.resume() && response.end('{"verified": true}'));
    const port = await listen(server);
    server.close();
    const refusals = onRefusal(() => server.listen(port));

    expect(await ask({ options: { url: `http://127.0.0.1:${port}` } })).toEqual(proven);

    expect(refusals).toEqual(["ECONNREFUSED"]);
  });

  test("is given up after two refusals", async () => {
    const refusals = onRefusal();
    const url = `http://127.0.0.1:${await freePort()}`;

    expect(await failureOf(ask({ options: { url } }))).toEqual(silent("connect ECONNREFUSED 127.0.0.1"));

    expect(refusals).toHaveLength(2);
  });

  test("at several addresses is asked at each, twice", async () => {
    const refusals = onRefusal();
    const addresses = [
      { address: "127.0.0.1", family: 4 },
      { address: "::1", family: 6 },
    ];
    type Callback = (error: null, found: typeof addresses) => void;
    const answer = (_name: string, _options: object, callback: Callback) => callback(null, addresses);
    // Safe: that is how Node asks for all addresses of a name.
    const lookup = vi.spyOn(dns, "lookup").mockImplementation(answer as typeof dns.lookup);
    onTestFinished(() => lookup.mockRestore());
    const url = `http://verifier.example:${await freePort()}`;

    expect(await failureOf(ask({ options: { url } }))).toEqual(silent("ECONNREFUSED 127.0.0.1"));

    expect(refusals).toHaveLength(2);
  });

  test("is given up at once if its name is unknown", async () => {
    const refusals = onRefusal();

    const failure = await failureOf(ask({ options: { url: "http://verifier.invalid" } }));

    expect(failure).toEqual(silent("verifier.invalid"));
    expect(refusals).toHaveLength(1);
  });

  test("is not waited for any longer once the caller is gone", async () => {
    const caller = new AbortController();
    const refusals = onRefusal(() => caller.abort(new Error("gone")));

    const failure = await failureOf(
      ask({ options: { url: `http://127.0.0.1:${await freePort()}` }, signal: caller.signal }),
    );

    expect(failure).toEqual(new Error("gone"));
    expect(refusals).toHaveLength(1);
  });
});

describe("a verifier that does not answer", () => {
  test("is given up at the limit", async () => {
    verifier.answer = () => hang;

    expect(await failureOf(ask({ options: { timeoutMs: shortMs } }))).toEqual(silent("within 50 ms"));
  });

  test("is given up at the limit in the middle of its answer", async () => {
    verifier.answer = () => (response) => void response.writeHead(200).write('{"verified"');

    expect(await failureOf(ask({ options: { timeoutMs: shortMs } }))).toEqual(silent("within 50 ms"));
  });

  test("is given up at the limit if it sends a little all the time", async () => {
    verifier.answer = () => (response) => {
      const timer = setInterval(() => response.write(" "), 5);
      response.once("close", () => clearInterval(timer));
    };

    expect(await failureOf(ask({ options: { timeoutMs: shortMs } }))).toEqual(silent("within 50 ms"));
  });

  test("is given up at the limit if it wants another protocol", async () => {
    verifier.answer = () => (response) => void response.writeHead(101, { connection: "upgrade", upgrade: "x" }).end();

    expect(await failureOf(ask({ options: { timeoutMs: shortMs } }))).toEqual(silent("within 50 ms"));
  });

  test("but resets the connection is not asked again: it may have counted the check", async () => {
    verifier.answer = () => reset;

    expect(await failureOf(ask())).toEqual(silent("read ECONNRESET"));
    expect(verifier.questions).toHaveLength(1);
  });

  test("but breaks its answer off is not asked again", async () => {
    verifier.answer = () => (response) => {
      response.writeHead(200, { "content-length": 99 });
      response.write('{"verified": true}', () => response.destroy());
    };

    expect(await failureOf(ask())).toEqual(silent("aborted"));
    expect(verifier.questions).toHaveLength(1);
  });

  test("but speaks no HTTP is not repeated in the failure", async () => {
    const server = net.createServer((socket) =>
      socket.on("error", () => undefined).once("data", (sent) => socket.end(sent)),
    );
    const url = `http://127.0.0.1:${await listen(server)}`;

    expect(await failureOf(ask({ options: { url } }))).toEqual(silent("Parse Error"));
  });
});

describe("a caller who leaves", () => {
  test.each([
    ["while the verifier thinks", hang],
    ["in the middle of the answer", (response: http.ServerResponse) => void response.writeHead(200).write("{")],
  ])("%s ends the request at once, with their reason", async (_name, reply) => {
    const caller = new AbortController();
    const asked = Promise.withResolvers<http.ServerResponse>();
    verifier.answer = () => (response) => {
      reply(response);
      asked.resolve(response);
    };
    const failed = failureOf(ask({ options: { timeoutMs: minuteMs }, signal: caller.signal }));
    const closed = once(await asked.promise, "close");

    caller.abort(new Error("gone"));

    expect(await failed).toEqual(new Error("gone"));
    await closed;
  });

  test("before the request asks nothing", async () => {
    const signal = AbortSignal.abort(new Error("gone"));

    expect(await failureOf(ask({ signal }))).toEqual(new Error("gone"));
    expect(verifier.questions).toEqual([]);
  });
});

/** Collects the codes of requests that fail, until the test is finished; `act` runs before the client learns of it. */
function onRefusal(act: () => void = () => undefined): unknown[] {
  const codes: unknown[] = [];
  const failed = channel("http.client.request.error");
  const listener = (message: unknown) => {
    // Safe: what Node publishes there.
    codes.push((message as { error: { code?: unknown } }).error.code);
    act();
  };
  failed.subscribe(listener);
  onTestFinished(() => void failed.unsubscribe(listener));
  return codes;
}
