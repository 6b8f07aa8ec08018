/** How long a client may take over each step, in milliseconds. Everything that a client can drag out is in this list. */
export interface PortTimeouts {
  /** From the connection to something that tells its protocol: the first bytes, the TLS handshake, HTTP/2's SETTINGS. */
  prefaceMs: number;
  /** From an HTTP/1 request's first byte to the end of its headers. */
  headersMs: number;
  /** From a request's start to the end of its body, on either protocol; so also the longest a client may stream. */
  requestMs: number;
  /** A connection without a request: HTTP/1 keep-alive, or an HTTP/2 session without a stream, whatever else it sends. */
  idleMs: number;
  /** A response of which the client takes nothing. It is dropped after at least this, at most twice this. */
  stalledMs: number;
  /** From the end of an HTTP/2 session to the client's hanging up. */
  lingerMs: number;
}

/**
 * The timeouts that a port has unless told otherwise.
 *
 * Requests are small (a query or a session), so whoever needs longer than this is broken or an attacker.
 * `idleMs` is the exception: it must outlast the idle timeout of a load balancer in front (AWS: 60 s), which
 * otherwise sends a request down a connection that is just being closed.
 *
 * @see https://nginx.org/en/docs/http/ngx_http_core_module.html: keepalive_timeout 75s, lingering_timeout 5s
 */
export const defaultTimeouts: PortTimeouts = {
  prefaceMs: 10_000,
  headersMs: 10_000,
  requestMs: 30_000,
  idleMs: 75_000,
  stalledMs: 30_000,
  lingerMs: 5_000,
};
