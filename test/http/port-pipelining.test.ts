import { describe, expect, test } from "vitest";
import type { PortRequest, PortResponse } from "../../src/http/port.ts";
import { dial, exchange, givenPort, readToEnd, readUntil } from "../support/sockets.ts";

const get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const lastGet = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

describe("an HTTP/1 connection", () => {
  test("may send 128 requests before the first one is answered", async () => {
    const waiting: PortResponse[] = [];
    const handler = (_request: PortRequest, response: PortResponse) => {
      waiting.push(response);
      if (waiting.length === 128) for (const each of waiting) each.end("hello");
    };
    const port = await givenPort({ handler });

    const answers = await exchange(port.url, get.repeat(127) + lastGet);

    expect(answers.match(/HTTP\/1.1 200 OK\r\n/g)).toHaveLength(128);
  });

  test("that sends one more is dropped, without an answer", async () => {
    const seen: PortRequest[] = [];
    const port = await givenPort({ handler: (request) => void seen.push(request) });

    expect(await exchange(port.url, get.repeat(129))).toBe("");
    expect(seen).toHaveLength(128);
  });

  test("may send more than that over time, if those before were answered", async () => {
    let count = 0;
    const port = await givenPort({ handler: (_request, response) => void response.end(`#${++count}.`) });
    const socket = await dial(port.url);

    socket.write(get.repeat(100));
    await readUntil(socket, "#100.");
    socket.write(get.repeat(99) + lastGet);

    expect((await readToEnd(socket)).toString()).toContain("#200.");
  });
});
