import { Code, ConnectError } from "@connectrpc/connect";
import { createAsyncIterable, type UniversalServerRequest } from "@connectrpc/connect/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isGrpcWebText, withGrpcWebText } from "./grpc-web-text.ts";

const someBytes = fc.uint8Array({ maxLength: 60 });

describe("isGrpcWebText", () => {
  test.each([
    ["application/grpc-web-text", true],
    ["application/grpc-web-text+proto", true],
    ["application/grpc-web-text; charset=utf-8", true],
    ["Application/GRPC-Web-Text+proto", true],
    [" application/grpc-web-text ", true],
    ["application/grpc-web", false],
    ["application/grpc-web+proto", false],
    ["application/grpc-web-textual", false],
    ["application/json", false],
    ["", false],
    [null, false],
  ])("takes %j for the text form: %s", (contentType, expected) => {
    expect(isGrpcWebText(contentType)).toBe(expected);
  });
});

describe("a request", () => {
  test("means the same however it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(someBytes, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), async (bytes, sizes) => {
        const text = Buffer.from(Buffer.from(bytes).toString("base64"));
        expect(await received(cut(text, sizes))).toEqual([...bytes]);
      }),
    );
  });

  test("may be encoded piece by piece, with padding in the middle, and cut anywhere", async () => {
    const pieces = fc.array(someBytes, { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), async (pieces, sizes) => {
        const text = Buffer.from(pieces.map((piece) => Buffer.from(piece).toString("base64")).join(""));
        expect(await received(cut(text, sizes))).toEqual(pieces.flatMap((piece) => [...piece]));
      }),
    );
  });

  test("without a body has no bytes", async () => {
    expect(await received([])).toEqual([]);
  });

  test.each([
    ["a cut group", "AAA"],
    ["a cut group after a whole one", "AAAAA"],
    ["padding that is missing", "AA"],
    ["padding alone", "===="],
    ["padding for three characters", "A==="],
    ["padding after a whole group", "AAAA===="],
    ["padding at the start", "=AAA"],
    ["a group of three with one padding too many", "AAA=="],
    ["padding inside a group", "AA=A"],
    ["padding that shifts what follows", "AA=BBBBB"],
    ["the alphabet of URLs", "_-8="],
    ["a space", "AA A"],
    ["a line break", "AAAA\r\nAA"],
    ["a character beyond ASCII", "AAAé"],
    ["no base64 at all", "{}{}"],
  ])("with %s is refused", async (_name, text) => {
    const failure = await received([Buffer.from(text)]).catch(ConnectError.from);

    expect(failure).toMatchObject({ code: Code.InvalidArgument, rawMessage: "body is not base64" });
  });

  test("reaches the handler as the binary form, with all its other headers", async () => {
    const seen: Headers[] = [];
    const handler = withGrpcWebText(async ({ header }) => {
      seen.push(header);
      return { status: 200 };
    });
    const header = new Headers({ "content-type": "application/grpc-web-text", authorization: "Bearer x" });

    await handler(requestOf([], header));

    expect(seen.map((header) => Object.fromEntries(header))).toEqual([
      { "content-type": "application/grpc-web+proto", authorization: "Bearer x" },
    ]);
    expect(header.get("content-type")).toBe("application/grpc-web-text");
  });
});

describe("a response", () => {
  test("is one base64 text, however the handler cuts it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(someBytes, { maxLength: 8 }), async (chunks) => {
        const { body } = await answered({ "content-type": "application/grpc-web+proto" }, chunks);
        expect(body).toBe(Buffer.concat(chunks).toString("base64"));
      }),
    );
  });

  test("says that it is text", async () => {
    const { header } = await answered({ "content-type": "application/grpc-web+proto", "x-other": "kept" }, []);

    expect(Object.fromEntries(header)).toEqual({
      "content-type": "application/grpc-web-text+proto",
      "x-other": "kept",
    });
  });

  test("that is not gRPC-Web stays as it is", async () => {
    const { header, body } = await answered({ "content-type": "application/json" }, [Buffer.from("{}")]);

    expect(header.get("content-type")).toBe("application/json");
    expect(body).toBe("{}");
  });
});

/** The bytes that a handler of the binary form gets. */
async function received(chunks: Uint8Array[]): Promise<number[]> {
  const bytes: number[] = [];
  const handler = withGrpcWebText(async ({ body }) => {
    // Safe: what is sent in below are bytes.
    for await (const chunk of body as AsyncIterable<Uint8Array>) bytes.push(...chunk);
    return { status: 200 };
  });
  await handler(requestOf(chunks));
  return bytes;
}

/** What the client gets if a handler of the binary form answers so. */
async function answered(headers: Record<string, string>, chunks: Uint8Array[]) {
  const handler = withGrpcWebText(async () => ({
    status: 200,
    header: new Headers(headers),
    body: createAsyncIterable(chunks),
  }));
  const response = await handler(requestOf([]));
  let body = "";
  for await (const chunk of response.body ?? []) body += Buffer.from(chunk).toString("latin1");
  return { header: new Headers(response.header), body };
}

function requestOf(chunks: Uint8Array[], header = new Headers()): UniversalServerRequest {
  const rest = { httpVersion: "1.1", method: "POST", url: "http://localhost/", signal: new AbortController().signal };
  return { ...rest, header, body: createAsyncIterable(chunks) };
}

function cut(bytes: Uint8Array, sizes: Iterator<number>): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = Number(sizes.next().value);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}
