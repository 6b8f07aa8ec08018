import { describe, expect, test } from "vitest";
import type { PortRequest, PortResponse } from "../../src/http/port.ts";
import {
  dial,
  frame,
  givenPort,
  givenSession,
  headerBlock,
  preface,
  readToEnd,
  readUntilFrame,
  request,
} from "../support/sockets.ts";

const endHeaders = 0x4;
const endStreamAndHeaders = 0x5;
const hello = Buffer.concat([preface, frame("settings")]);

describe("an HTTP/2 session", () => {
  test("has at most 128 streams at once; one more is refused", async () => {
    const { handler, seen } = givenSilentHandler();
    const port = await givenPort({ handler });
    const socket = await dial(port.url);
    socket.write(
      Buffer.concat([hello, ...times(129, (id) => frame("headers", endStreamAndHeaders, id, headerBlock()))]),
    );

    await readUntilFrame(socket, "resetStream");
    expect(seen.length).toBe(128);
  });

  test("takes at most 16 KiB of headers in a request", async () => {
    const port = await givenPort();
    const session = givenSession(port.url);

    expect(await request(session, { long: "x".repeat(15_000) })).toMatchObject({ status: 200 });
    await expect(request(session, { long: "x".repeat(17_000) })).rejects.toThrow("NGHTTP2_ENHANCE_YOUR_CALM");
    expect(await request(session)).toMatchObject({ status: 200 });
  });

  test("that sends 200 empty DATA frames is dropped", async () => {
    const { handler } = givenSilentHandler();
    const port = await givenPort({ handler });
    const socket = await dial(port.url);
    const post = frame("headers", endHeaders, 1, headerBlock("POST"));
    socket.write(Buffer.concat([hello, post, ...times(200, () => frame("data", 0, 1))]));

    await readToEnd(socket);
  });

  test("that opens and cancels 500 streams at once gets GOAWAY, and no handler is called", async () => {
    const { handler, seen } = givenSilentHandler();
    const port = await givenPort({ handler });
    const socket = await dial(port.url);
    const cancel = Buffer.from([0, 0, 0, 8]);
    socket.write(
      Buffer.concat([
        hello,
        ...times(500, (id) =>
          Buffer.concat([
            frame("headers", endStreamAndHeaders, id, headerBlock()),
            frame("resetStream", 0, id, cancel),
          ]),
        ),
      ]),
    );

    await readUntilFrame(socket, "goAway");
    expect(seen.length).toBe(0);
  });
});

function givenSilentHandler() {
  const seen: PortRequest[] = [];
  const handler = (request: PortRequest, _response: PortResponse) => void seen.push(request);
  return { handler, seen };
}

// One for each of the first `count` stream ids that a client may use.
function times<T>(count: number, make: (id: number) => T): T[] {
  return Array.from({ length: count }, (_value, index) => make(2 * index + 1));
}
