import { createHash } from "node:crypto";
import { type Instant, printInstant } from "../sessions/instant.ts";
import { isDisabled, type Session, type SessionOfUser, type User } from "../sessions/schema.ts";
import { aalOf, authenticatedAt, methodsOf } from "./assurance.ts";

/** What is shown of a session, and when. */
export interface View {
  now: Instant;
  identity: boolean;
  /** Where the schemas of identities stand; undefined: `schema_url` is "", as in Kratos's listings. */
  schemaBase?: string;
  devices: boolean;
  /** What stands for no devices, or for those not asked for: Kratos has both. */
  noDevices: null | [];
}

// Kratos has no session without an end, and clients read the key as a date: the last second that a year of four
// digits has. Without a fraction, so that whoever sees it in a log knows it for a made-up one.
const never = "9999-12-31T23:59:59Z";

// Any constant of our own, by `uuidgen`.
const deviceNamespace = Buffer.from("5f3c5a1e0b8f4a57a3c1d2f7c4a9e6b0", "hex");

/** The body of an answer, as Go's encoder writes it: safe to put into HTML, ended by a newline. */
export function printJson(json: unknown): string {
  const escaped = JSON.stringify(json).replace(
    /[&<>\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `${escaped}\n`;
}

/**
 * A session as Kratos's clients know it: every key is always there, in Kratos's order.
 *
 * `active` tells whether it can be used at `now`; of a user only where their identity is shown, as in Kratos.
 */
export function toSessionJson({ session, user }: SessionOfUser, view: View) {
  const methods = methodsOf(session);
  const devices = view.devices ? toDevicesJson(session) : [];
  return {
    id: session.id,
    active: isLiveAt(session, view.now) && !(view.identity && isDisabled(user)),
    expires_at: session.expiresAt === null ? never : printTime(session.expiresAt),
    authenticated_at: printTime(authenticatedAt(session, methods)),
    authenticator_assurance_level: aalOf(methods),
    authentication_methods: methods.map(({ method, aal, completedAt }) => ({
      method,
      aal,
      completed_at: printTime(completedAt),
    })),
    issued_at: printTime(session.createdAt),
    identity: view.identity ? toIdentityJson(session, user, view.schemaBase) : null,
    devices: devices.length > 0 ? devices : view.noDevices,
  };
}

/** RFC 3339 in UTC with as many decimals as are needed, up to six. */
export function printTime(instant: Instant): string {
  return printInstant(instant).replace(/\.?0+Z$/, "Z");
}

function isLiveAt({ endedAt, expiresAt }: Session, now: Instant): boolean {
  return endedAt === null && (expiresAt === null || expiresAt > now);
}

/** Null without a checked user. One of whom nothing is known has an id, and the dates of the session that names them. */
function toIdentityJson(session: Session, user: User | null, schemaBase: string | undefined) {
  if (session.userId === null) return null;
  const schemaId = user?.schemaId ?? "default";
  return {
    id: session.userId,
    schema_id: schemaId,
    schema_url: schemaBase === undefined ? "" : `${schemaBase}/schemas/${Buffer.from(schemaId).toString("base64url")}`,
    state: isDisabled(user) ? "inactive" : "active",
    traits: user === null ? {} : (user.traits ?? toTraits(user)),
    metadata_public: user?.metadataPublic ?? null,
    created_at: printTime(user?.createdAt ?? session.createdAt),
    updated_at: printTime(user?.changedAt ?? session.createdAt),
    organization_id: (user?.organizationId ?? session.organizationId) || null,
  };
}

function toTraits({ userName, loginName, displayName }: User): Record<string, string> {
  const email = loginName.includes("@") ? loginName : "";
  const traits = { email, username: userName || loginName, name: displayName };
  return Object.fromEntries(Object.entries(traits).filter(([, value]) => value !== ""));
}

/** The device of a session, if anything is known of it: like Kratos we know the one on which it was created. */
function toDevicesJson({ id, agentIp, agentHeader, agentDescription }: Session) {
  if (agentIp === null && agentHeader === null && agentDescription === null) return [];
  return [
    {
      id: toDeviceId(id),
      ip_address: agentIp === null ? null : withoutPort(agentIp),
      user_agent: readUserAgent(agentHeader) || agentDescription,
      location: null,
    },
  ];
}

function readUserAgent(header: Record<string, string[]> | null): string {
  return Object.entries(header ?? {})
    .filter(([name]) => name.toLowerCase() === "user-agent")
    .flatMap(([, values]) => values)
    .join(" ");
}

// Kratos stores the peer as `127.0.0.1:54321` and `[::1]:54321`, and a row may have been filled with that.
function withoutPort(ip: string): string {
  return ip.replace(/^\[(.*)\](?::\d+)?$/, "$1").replace(/^(\d+(?:\.\d+){3}):\d+$/, "$1");
}

/**
 * A UUID (RFC 9562, version 5) made of the session's id: the same each time, as a client that remembers devices expects.
 *
 * Never the session's id itself: what a client does to a device must not hit a session by accident.
 */
function toDeviceId(sessionId: string): string {
  const hash = createHash("sha1").update(deviceNamespace).update(sessionId).digest().subarray(0, 16);
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6);
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8);
  return hash.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
