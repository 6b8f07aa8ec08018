import { hashToken } from "../auth/token.ts";
import { SessionError } from "../errors.ts";
import { normalizeIp } from "../ip.ts";
import type { GivenSession, GivenUser } from "../sessions/bulk.ts";
import { type Instant, instantOf, readInstant } from "../sessions/instant.ts";
import type { JsonObject } from "../sessions/schema.ts";
import type { KratosIdentity, KratosSession } from "./kratos-database.ts";

/** The user whom an identity stands for. Throws SessionError `invalid_request` if it cannot be stored. */
export function toUser(instanceId: string, identity: KratosIdentity): GivenUser {
  const { id, organization_id: organizationId, schema_id: schemaId, state, metadata_public: metadata } = identity;
  const { available_aal: aal } = identity;
  if (state !== "active" && state !== "inactive") throw refused("state must be active or inactive");
  if (!isObject(identity.traits)) throw refused("traits must be an object");
  if (metadata !== null && !isObject(metadata)) throw refused("metadata_public must be an object");
  return {
    instanceId,
    id,
    organizationId: organizationId ?? "",
    ...toNames(identity.traits, id),
    avatarUrl: "",
    state,
    traits: identity.traits,
    schemaId,
    metadataPublic: metadata,
    // "aal0" is of somebody without credentials.
    availableAal: aal === "aal1" || aal === "aal2" ? aal : null,
    createdAt: readTime(identity.created_at, "created_at"),
    changedAt: readTime(identity.updated_at, "updated_at"),
  };
}

/** A session as we know sessions. Throws SessionError `invalid_request` if it cannot be stored. */
export function toSession(instanceId: string, session: KratosSession): GivenSession {
  const { id, identity_id: userId, organization_id: organizationId, token, user_agent: userAgent } = session;
  const createdAt = readTime(session.created_at, "created_at");
  const changedAt = later(createdAt, readTime(session.updated_at, "updated_at"));
  const factors = toFactors(session);
  const checkedAt = Object.values(factors).filter((value) => typeof value === "bigint");
  return {
    instanceId,
    id,
    createdAt,
    changedAt,
    creatorId: null,
    userId,
    organizationId: organizationId ?? "",
    userCheckedAt: checkedAt.sort(compare)[0] ?? readTime(session.authenticated_at, "authenticated_at"),
    ...factors,
    metadata: {},
    agentFingerprintId: null,
    agentIp: toIp(session.ip_address),
    agentDescription: null,
    agentHeader: userAgent ? { "user-agent": [userAgent] } : null,
    expiresAt: readTime(session.expires_at, "expires_at"),
    ...(token ? { tokenHash: hashToken(token) } : {}),
    // Kratos never opens one again: one that is open there stays ended if it was ended here.
    ...(session.active ? {} : { endedAt: changedAt, endReason: "revoked", endedBy: null }),
  };
}

// As Kratos's own schemas and presets call them.
function toNames({ email, username, phone, phone_number: phoneNumber, name }: JsonObject, id: string) {
  const loginName = [email, username, phone, phoneNumber].find(isFilled) ?? id;
  const { first, last } = isObject(name) ? name : {};
  const displayName = isFilled(name) ? name : [first, last].filter(isFilled).join(" ");
  return { userName: isFilled(username) ? username : loginName, loginName, displayName };
}

/** When each factor was last checked, in columns of ours. */
type Factors = Pick<
  GivenSession,
  `${FirstFactor | SecondFactor}CheckedAt` | "webAuthNCheckedAt" | "otpSmsCheckedAt"
> & {
  webAuthNUserVerified: boolean | null;
};
type FirstFactor = "password" | "intent";
type SecondFactor = "totp" | "otpEmail" | "recoveryCode";

function toFactors(session: KratosSession): Factors {
  const methods = readMethods(session);
  const newest = (...names: string[]) => methods.findLast(({ method }) => names.includes(method))?.at ?? null;
  const webAuthN = methods.findLast(({ method }) => method === "passkey" || method === "webauthn");
  const first = { passwordCheckedAt: newest("password"), intentCheckedAt: newest("oidc", "saml") };
  const second = {
    totpCheckedAt: newest("totp"),
    otpEmailCheckedAt: newest("code"),
    recoveryCodeCheckedAt: newest("lookup_secret", "link_recovery", "code_recovery"),
  };
  // Without a password, a security key stands for itself, as a passkey does.
  const isPasskey = webAuthN && (webAuthN.method === "passkey" || webAuthN.aal === "aal1");
  const key = { webAuthNCheckedAt: webAuthN?.at ?? null, webAuthNUserVerified: webAuthN ? Boolean(isPasskey) : null };
  const factors = { ...first, ...key, ...second, otpSmsCheckedAt: null };
  if (methods.length > 0 && !webAuthN && ![...Object.values(first), ...Object.values(second)].some(isPresent)) {
    // What we do not know counts as the least, so that its session stays good for as much as before.
    return { ...factors, passwordCheckedAt: methods.at(-1)?.at ?? null };
  }
  const hasFirst = isPasskey || Object.values(first).some(isPresent);
  if (session.aal !== "aal2") return hasFirst ? withoutSecond(factors) : factors;
  // A code or a recovery that Kratos counted as the first factor, beside a second one, is a second one here: what came
  // first stands as a password, so that the session stays good for as much as before.
  const firstAt = methods.find(({ aal }) => aal === "aal1")?.at;
  return hasFirst || firstAt === undefined ? factors : { ...factors, passwordCheckedAt: firstAt };
}

// Kratos counts a code, and a recovery, as one factor or as two. What it counts as one must not become two here.
function withoutSecond(factors: Factors): Factors {
  const key = factors.webAuthNUserVerified ? {} : { webAuthNCheckedAt: null, webAuthNUserVerified: null };
  return { ...factors, ...key, totpCheckedAt: null, otpEmailCheckedAt: null, recoveryCodeCheckedAt: null };
}

/** In the order of time. One without a time is as old as the last factor of all. */
function readMethods({ authentication_methods: methods, authenticated_at }: KratosSession) {
  const authenticatedAt = readTime(authenticated_at, "authenticated_at");
  const read = (Array.isArray(methods) ? methods : []).filter(isObject).map(({ method, aal, completed_at }) => ({
    method: String(method),
    aal,
    at: readMethodTime(completed_at) ?? authenticatedAt,
  }));
  return read.sort((a, b) => compare(a.at, b.at));
}

// Go writes RFC 3339 with up to nine decimals, and the year 1 for no time.
function readMethodTime(value: unknown): Instant | undefined {
  const [, upToSecond, fraction = "", zone] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(String(value)) ?? [];
  const ms = Date.parse(`${upToSecond}${zone}`);
  if (Number.isNaN(ms) || ms < 0) return undefined;
  return instantOf(BigInt(ms / 1_000), Number(fraction.slice(0, 9).padEnd(9, "0")));
}

function readTime(text: string, column: string): Instant {
  // PostgreSQL also has `infinity`, and years beyond those four digits.
  if (!/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00$/.test(text)) {
    throw refused(`${column} must be a date between the years 1 and 9999`);
  }
  return readInstant(text);
}

// Kratos stores the peer as `127.0.0.1:54321` and `[::1]:54321`, and whatever a proxy's header said.
function toIp(text: string | null): string | null {
  const ip = (text ?? "").replace(/^\[(.*)\](?::\d+)?$/, "$1").replace(/^(\d+(?:\.\d+){3}):\d+$/, "$1");
  return normalizeIp(ip) ?? null;
}

function later(a: Instant, b: Instant): Instant {
  return a > b ? a : b;
}

function compare(a: Instant, b: Instant): number {
  return a < b ? -1 : Number(a > b);
}

function isPresent(value: unknown): boolean {
  return value !== null;
}

function isFilled(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refused(message: string): SessionError {
  return new SessionError("invalid_request", message);
}
