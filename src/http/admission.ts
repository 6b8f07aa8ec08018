import type http from "node:http";
import type http2 from "node:http2";

/** A request of either protocol. */
export type PortRequest = http.IncomingMessage | http2.Http2ServerRequest;

/** A response of either protocol. */
export type PortResponse = http.ServerResponse | http2.Http2ServerResponse;

/** Answers a request. What it throws, or rejects with, becomes a 500 and is reported. */
export type RequestHandler = (request: PortRequest, response: PortResponse) => void | Promise<void>;

// RFC 3986 without user info, RFC 9110 7.2. What the brackets hold, and how high the port is, `URL` decides.
const hostAndPort = /^(?:\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::\d*)?$/;

/**
 * Lets `handler` see only requests that say, once and clearly, which host and path they are for; the others get a 400,
 * and go to `onRefused`.
 *
 * connect-node builds a URL from authority and path, and throws out of the request listener if there is none:
 * `Host: [` alone would end the process. So would an error of the handler or its response, which go to `onError`.
 */
export function admit(
  handler: RequestHandler,
  onError: (error: unknown) => void,
  onRefused: RequestHandler,
): (request: PortRequest, response: PortResponse) => void {
  return async (request, response) => {
    response.on("error", onError);
    if (!isAddressed(request)) {
      onRefused(request, response);
      return refuse(request, response);
    }
    try {
      await handler(request, response);
    } catch (error) {
      onError(error);
      fail(response);
    }
  };
}

function isAddressed(request: PortRequest): boolean {
  const [authority, ...others] = authoritiesOf(request);
  return (
    authority !== undefined &&
    // HTTP/2 may say it twice, as :authority and, for old proxies, as host. Two that differ smuggle a request.
    (request.httpVersionMajor === 1 ? others.length === 0 : others.every((other) => other === authority)) &&
    hostAndPort.test(authority) &&
    isPlain(request.url ?? "", authority)
  );
}

// A path that is read as another one (`/public/../admin`, `%2e%2e`, `http://elsewhere/`) slips past whoever lets paths
// through by how they begin, and stands in the log as what it is not. Our own address before it is what proxies send.
function isPlain(target: string, authority: string): boolean {
  const url = URL.parse(target, `http://${authority}`);
  const own = ["http://", "https://"].map((scheme) => scheme + authority).find((ours) => target.startsWith(`${ours}/`));
  return url !== null && url.pathname === target.slice(own?.length ?? 0).split("?", 1)[0];
}

// Not from `headers`: there, node keeps the first Host and hides the others.
function authoritiesOf({ rawHeaders }: PortRequest): string[] {
  return rawHeaders.filter(
    (_value, index) => index % 2 === 1 && /^(?::authority|host)$/i.test(rawHeaders[index - 1] ?? ""),
  );
}

function refuse(request: PortRequest, response: PortResponse): void {
  if (request.httpVersionMajor === 1) response.setHeader("Connection", "close");
  end(response, 400, "the request must name one valid host and a plain path\n");
}

function fail(response: PortResponse): void {
  if (response.writableEnded) return;
  if (response.headersSent) {
    response.destroy(new Error("the handler failed"));
    return;
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  end(response, 500, "internal error\n");
}

function end(response: PortResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(text);
}
