import type { Duration } from "@bufbuild/protobuf/wkt";
import type { UserAgent } from "../../gen/zitadel/session/v2/session_pb.ts";
import type { CreateSessionRequest, SetSessionRequest } from "../../gen/zitadel/session/v2/session_service_pb.ts";
import type { UserAgent as UserAgentBeta } from "../../gen/zitadel/session/v2beta/session_pb.ts";
import type {
  CreateSessionRequest as CreateSessionRequestBeta,
  SetSessionRequest as SetSessionRequestBeta,
} from "../../gen/zitadel/session/v2beta/session_service_pb.ts";
import { SessionError } from "../errors.ts";
import { normalizeIp } from "../ip.ts";
import { instantOf } from "../sessions/instant.ts";
import type { SessionChange } from "../sessions/lifecycle.ts";
import type { Session } from "../sessions/schema.ts";
import type { UserSearch } from "../sessions/users.ts";
import { readChallenges, readChecks, readUserCheck, type WantedChallenge, type WantedCheck } from "./checks.ts";
import { readText } from "./text-rules.ts";

/** What a request wants of a session, before anything of it is proven. */
export interface WantedChange extends Pick<SessionChange, "metadata" | "lifetime"> {
  user: UserSearch | undefined;
  checks: WantedCheck[];
  challenges: WantedChallenge[];
}

/** The columns of a session that tell where it lives. */
export type Agent = Pick<Session, "agentFingerprintId" | "agentIp" | "agentDescription" | "agentHeader">;

// What people's browsers send is a tenth of it.
const maxAgentLength = 16_384;

/** What a request wants that opens a session or changes one. Throws SessionError `invalid_request`. */
export function readChange(
  request: CreateSessionRequest | CreateSessionRequestBeta | SetSessionRequest | SetSessionRequestBeta,
): WantedChange {
  return {
    user: readUserCheck(request.checks),
    checks: readChecks(request.checks),
    challenges: readChallenges(request.challenges),
    metadata: readMetadata(request.metadata),
    lifetime: request.lifetime && readLifetime(request.lifetime),
  };
}

/**
 * Where a new session lives, as it is stored: the address in its canonical form, or none if it is not one.
 *
 * Throws SessionError `invalid_request`.
 */
export function readAgent(agent: UserAgent | UserAgentBeta | undefined): Agent {
  const { fingerprintId, ip, description, header = {} } = agent ?? {};
  const headers = Object.entries(header).map(([name, { values }]): [string, string[]] => [name, values]);
  const texts = [description ?? "", ...headers.flatMap(([name, values]) => [name, ...values])];
  // Each text counts one more, or there could be any number of empty ones.
  readText(texts.join("\n"), "userAgent", { min: 0, max: maxAgentLength });
  return {
    agentFingerprintId:
      fingerprintId === undefined ? null : readText(fingerprintId, "userAgent.fingerprintId", { min: 0 }),
    agentIp: normalizeIp(ip ?? "") ?? null,
    agentDescription: description ?? null,
    agentHeader: headers.length === 0 ? null : Object.fromEntries(headers),
  };
}

function readMetadata(metadata: Record<string, Uint8Array>): Record<string, string> {
  const entries = Object.entries(metadata).map(([key, value]) => {
    readText(key, "metadata: a key");
    return [key, Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")];
  });
  return Object.fromEntries(entries);
}

function readLifetime({ seconds, nanos }: Duration): bigint {
  // Less than a microsecond is more than nothing.
  const lifetime = instantOf(seconds, nanos + 999);
  if (lifetime <= 0n) throw new SessionError("invalid_request", "lifetime: must be longer than 0 s");
  return lifetime;
}
