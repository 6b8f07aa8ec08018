import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { Caller } from "../sessions/access.ts";

const callerKey = createContextKey<Caller | undefined>(undefined);

/** Keeps the caller of a request for the handlers behind. */
export function setCaller(context: HandlerContext, caller: Caller): void {
  context.values.set(callerKey, caller);
}

/** The caller of a request. Throws if it was not authenticated, which is a mistake of ours. */
export function callerOf(context: HandlerContext): Caller {
  const caller = context.values.get(callerKey);
  if (caller === undefined) throw new Error("request was not authenticated");
  return caller;
}
