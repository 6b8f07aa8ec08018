import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, type Code, ConnectError } from "@connectrpc/connect";
import type { Details } from "../../gen/zitadel/object/v2/object_pb.ts";
import type { Session } from "../../gen/zitadel/session/v2/session_pb.ts";
import type { SessionService } from "../../gen/zitadel/session/v2/session_service_pb.ts";
import { instantOf } from "../../src/sessions/instant.ts";

/** What a session says that one write of the load made of it, all by the number of that write. */
export interface Trace {
  write: number;
  sequence: bigint;
  changedAt: bigint;
}

/** A session of the load: what was acknowledged of it, and the write that was not, if there is one. */
export interface Written {
  /** Undefined if not even its creation was acknowledged. */
  id: string | undefined;
  token: string;
  acknowledged: Trace | "ended" | undefined;
  unsure: { write: number; isEnd: boolean } | undefined;
}

/** How a load is run. */
export interface LoadOptions {
  client: Client<typeof SessionService>;
  options: CallOptions;
  writes: number;
  /** Told how many writes were acknowledged, after each. */
  onAcknowledged: (count: number) => void;
  /** Whether to go on after a write that failed with this code; the session that it was for is left alone. */
  isPassing: (code: Code) => boolean;
}

type Step = "create" | "change" | "end";

const workers = 20;
const keys = ["a", "b", "c"];

/**
 * Makes so many writes, twenty at a time: sessions that are created, changed, and of which two in three are ended.
 *
 * Every write but an end sets three keys of metadata and the lifetime to values that tell which write it was.
 */
export async function writeUntilDone(load: LoadOptions) {
  const sessions: Written[] = [];
  const codes = new Set<Code>();
  let next = 0;
  let acknowledged = 0;
  const work = async (): Promise<void> => {
    while (next < load.writes) {
      const session: Written = { id: undefined, token: "", acknowledged: undefined, unsure: undefined };
      for (const step of stepsOf(sessions.push(session))) {
        if (next >= load.writes) return;
        const code = await tryWrite(load, session, { write: next++, step });
        if (code === undefined) {
          load.onAcknowledged(++acknowledged);
          continue;
        }
        codes.add(code);
        if (!load.isPassing(code)) return;
        break;
      }
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return { sessions, acknowledged, codes };
}

/** Which write a session shows that it was changed by last; undefined if it is not wholly one write's. */
export function traceOf({ metadata, sequence, changeDate, expirationDate }: Session): Trace | undefined {
  const [write, ...others] = keys.map((key) => Buffer.from(metadata[key] ?? []).toString());
  const changedAt = toInstant(changeDate);
  const isWhole =
    others.every((other) => other === write) && toInstant(expirationDate) === changedAt + lifetimeOf(Number(write));
  return isWhole ? { write: Number(write), sequence, changedAt } : undefined;
}

function stepsOf(session: number): Step[] {
  return ["create", "change", "change", "change", session % 3 === 0 ? "change" : "end"];
}

/** Makes a write and keeps what was acknowledged; if it fails, with which code. */
async function tryWrite(load: LoadOptions, session: Written, { write, step }: { write: number; step: Step }) {
  session.unsure = { write, isEnd: step === "end" };
  try {
    Object.assign(session, await makeWrite(load, session.id ?? "", { write, step }), { unsure: undefined });
    return undefined;
  } catch (error) {
    return ConnectError.from(error).code;
  }
}

async function makeWrite(
  { client, options }: LoadOptions,
  sessionId: string,
  { write, step }: { write: number; step: Step },
): Promise<Partial<Written>> {
  const metadata = Object.fromEntries(keys.map((key) => [key, Buffer.from(String(write))]));
  const lifetime = { seconds: lifetimeOf(write) / 1_000_000n };
  switch (step) {
    case "create": {
      const {
        details,
        sessionId: id,
        sessionToken: token,
      } = await client.createSession({ metadata, lifetime }, options);
      return { id, token, acknowledged: toTrace(write, details) };
    }
    case "change": {
      const { details, sessionToken: token } = await client.setSession({ sessionId, metadata, lifetime }, options);
      return { token, acknowledged: toTrace(write, details) };
    }
    case "end":
      await client.deleteSession({ sessionId }, options);
      return { acknowledged: "ended" };
    default:
      step satisfies never;
      throw new Error("unknown step");
  }
}

function toTrace(write: number, details: Details | undefined): Trace {
  return { write, sequence: details?.sequence ?? 0n, changedAt: toInstant(details?.changeDate) };
}

/** Of its own for every write, in microseconds, and none ends while the test runs. */
function lifetimeOf(write: number): bigint {
  return BigInt(3_600 + write) * 1_000_000n;
}

function toInstant(timestamp: Timestamp | undefined): bigint {
  return timestamp === undefined ? -1n : instantOf(timestamp.seconds, timestamp.nanos);
}
