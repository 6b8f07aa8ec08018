// Of node (the network), of postgres.js (its connections), and of PostgreSQL: connection exceptions, no connection
// left, and shut down or starting.
const outages =
  /^(?:ECONN\w+|EPIPE|ENOTFOUND|ENOENT|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|CONNECT_TIMEOUT|CONNECTION_\w+|08\w{3}|53300|57P0[1-5])$/;

/** Whether an error means that the database cannot be reached, rather than that we asked it something wrong. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // The query builder keeps what the driver said as the cause.
  return ("code" in error && outages.test(String(error.code))) || isOutage(error.cause);
}
