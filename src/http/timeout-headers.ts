import { parseTimeout as parseConnectTimeout } from "@connectrpc/connect/protocol-connect";
import { parseTimeout as parseGrpcTimeout } from "@connectrpc/connect/protocol-grpc";

const timeoutHeaders = { "connect-timeout-ms": parseConnectTimeout, "grpc-timeout": parseGrpcTimeout };

/**
 * Removes from a request every timeout that is longer than `deadlineMs`: the server's own deadline comes first.
 *
 * The RPC library would hand a long one (from 25 days) to a timer that takes it for none at all, and end the call at once.
 */
export function dropLongTimeouts(header: Headers, deadlineMs: number): void {
  for (const [name, parse] of Object.entries(timeoutHeaders)) {
    const { timeoutMs } = parse(header.get(name), Number.POSITIVE_INFINITY);
    if (timeoutMs !== undefined && timeoutMs > deadlineMs) header.delete(name);
  }
}
