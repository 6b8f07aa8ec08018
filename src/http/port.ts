import { once } from "node:events";
import type http from "node:http";
import net from "node:net";
import { admit, type RequestHandler } from "./admission.ts";
import { createHttp1 } from "./http1.ts";
import { createHttp2 } from "./http2.ts";
import { type Protocol, recogniseByAlpn, recogniseByPreface, type TlsOptions } from "./protocol.ts";
import { defaultTimeouts, type PortTimeouts } from "./timeouts.ts";

export type { PortRequest, PortResponse, RequestHandler } from "./admission.ts";

/** What a port needs to open. */
export interface PortOptions {
  /** The address or name to listen on. */
  host: string;
  /** 0 lets the system choose. */
  port: number;
  /** If set, the port speaks TLS (1.2 or newer) only; if not, plaintext only. */
  tls?: TlsOptions;
  /** Called for every request, of either protocol, that names a valid host. */
  handler: RequestHandler;
  /** Told of requests that are refused, before they are answered: they name no valid host, or no plain path. */
  onRefused?: RequestHandler;
  /** Told of what the handler throws, and of what goes wrong with accepting connections. Must not throw. */
  onError: (error: unknown) => void;
  /** Those that differ from `defaultTimeouts`. */
  timeouts?: Partial<PortTimeouts>;
}

/** An open port. */
export interface Port {
  /** Where it listens, without a path: `http://127.0.0.1:8080`. */
  readonly url: string;
  /**
   * Stops accepting, lets requests in flight finish, and after `graceMs` destroys what is left.
   *
   * Connections without a request end at once; HTTP/1 responses say `Connection: close`, HTTP/2 sessions GOAWAY.
   * Resolves when every connection has ended. Called again, it returns the same promise.
   */
  close(graceMs: number): Promise<void>;
}

/**
 * Opens one port for HTTP/1.1 and HTTP/2: in plaintext told apart by the first bytes ("prior knowledge"), over TLS by ALPN.
 *
 * No connection can end the process, and none is kept longer than `timeouts` say. Rejects if it cannot
 * listen there, or if the certificate or its key cannot be read.
 */
export async function openPort(options: PortOptions): Promise<Port> {
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  const handler = admit(options.handler, options.onError, options.onRefused ?? (() => {}));
  const http1 = createHttp1(handler, timeouts);
  const http2 = createHttp2(handler, timeouts);
  const arrivals = options.tls
    ? recogniseByAlpn(options.tls, timeouts.prefaceMs, serve)
    : recogniseByPreface(timeouts.prefaceMs, serve);
  const sockets = new Set<net.Socket>();
  let closed: Promise<void> | undefined;

  function serve(socket: net.Socket, protocol: Protocol): void {
    if (closed) socket.destroy();
    else if (protocol === "http2") http2.accept(socket);
    else http1.accept(socket);
  }

  http1.server.on("connection", (socket) => {
    // Why a client went away is of no interest; unheard, it would end the process while nobody reads the socket yet.
    socket.on("error", () => undefined);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    arrivals.accept(socket);
  });

  async function close(graceMs: number): Promise<void> {
    const empty = new Promise<unknown>((resolve) => http1.server.close(resolve));
    for (const stage of [arrivals, http1, http2]) stage.close();
    const timer = setTimeout(() => sockets.forEach((socket) => void socket.destroy()), graceMs);
    await empty;
    clearTimeout(timer);
  }

  await listen(http1.server, options);
  return {
    url: urlOf(http1.server, options),
    close: (graceMs) => (closed ??= close(graceMs)),
  };
}

async function listen(server: http.Server, { host, port, onError }: PortOptions): Promise<void> {
  try {
    await once(server.listen({ host, port }), "listening");
  } catch (cause) {
    throw new Error(`cannot open the port: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  server.on("error", onError);
}

function urlOf(server: http.Server, { host, tls }: PortOptions): string {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server listens on no TCP port");
  return `${tls ? "https" : "http"}://${net.isIPv6(host) ? `[${host}]` : host}:${address.port}`;
}
