import type { Writable } from "node:stream";

/**
 * Calls `drop` if what waits in `response` stays the same for `stalledMs` (noticed at most as long after):
 * the client takes nothing, yet holds our memory and, in HTTP/2, its session open.
 *
 * A response with nothing to send is left alone, for its handler may still be at work. Node's own
 * `stream.setTimeout` is no use: a PING, or another stream of the same session, counts as progress there.
 */
export function dropWhenStalled(
  response: Pick<Writable, "writableLength" | "once">,
  stalledMs: number,
  drop: () => void,
): void {
  let before = 0;
  const timer = setInterval(() => {
    const waiting = response.writableLength;
    if (waiting > 0 && waiting === before) drop();
    before = waiting;
  }, stalledMs);
  response.once("close", () => clearInterval(timer));
}
