import {
  Code,
  ConnectError,
  type ConnectRouterOptions,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { Authenticate } from "../auth/authenticate.ts";
import { setCaller } from "../auth/caller.ts";
import { SessionError } from "../errors.ts";
import { orAborted } from "../http/abort.ts";
import { requestRecord } from "../http/listener.ts";
import { toConnectError } from "./error.ts";

/**
 * What happens to every call of an RPC before and after its method: the caller is authenticated before the body is
 * read; failures become errors of the dialect; a call that is given up, or too late, ends at once.
 */
export function createRpcOptions(
  authenticate: Authenticate,
): Pick<ConnectRouterOptions, "requestGate" | "interceptors"> {
  return {
    requestGate: async (context) => {
      const record = context.values.get(requestRecord);
      record.rpc = `${context.service.typeName}/${context.method.name}`;
      record.protocol = context.protocolName;
      try {
        const caller = await orAborted(context.signal, authenticate(context.requestHeader, context.signal));
        setCaller(context, caller);
        record.userId = caller.userId;
      } catch (error) {
        throw failure(error, context);
      }
    },
    interceptors: [endCalls],
  };
}

const endCalls: Interceptor = (next) => async (request) => {
  try {
    return await orAborted(request.signal, next(request));
  } catch (error) {
    throw failure(error, { signal: request.signal, values: request.contextValues });
  }
};

/** The error that the caller gets; what it hides goes into the log. */
function failure(error: unknown, { signal, values }: Pick<HandlerContext, "signal" | "values">): ConnectError {
  const told = signal.aborted ? toEnd(signal.reason) : toConnectError(error);
  const record = values.get(requestRecord);
  record.code = codeToString(told.code);
  if (error instanceof SessionError) record.reason = error.message;
  if (told.code === Code.Internal || told.code === Code.Unavailable) record.err = told.cause;
  return told;
}

/** Why a call was over before it was answered; whatever else broke, broke because of that. */
function toEnd(reason: unknown): ConnectError {
  return reason instanceof ConnectError ? reason : new ConnectError("the client is gone", Code.Canceled);
}
