import { type SQL, sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  bigint,
  boolean,
  check,
  customType,
  index,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
} from "drizzle-orm/pg-core";
import { type Instant, printInstant, readInstant } from "./instant.ts";

const instant = customType<{ data: Instant; driverData: string }>({
  dataType: () => "timestamptz",
  fromDriver: readInstant,
  toDriver: printInstant,
});

const bytes = customType<{ data: Buffer }>({ dataType: () => "bytea" });

/** An object of JSON, as a client of another system made it. */
export type JsonObject = Record<string, unknown>;

// Byte order: the same on every machine, and an upgrade of the system's locales cannot break an index.
const id = customType<{ data: string }>({ dataType: () => 'text collate "C"' });

/**
 * A name in the form in which upper and lower case are alike: not by the database's own locale, which may know no
 * letters but those of ASCII. In byte order, for the letters' own order may change with an upgrade.
 */
export function foldCase(name: AnyPgColumn | SQL): SQL {
  return sql`(lower(${name} collate "und-x-icu") collate "C")`;
}

/** The one ever-growing counter of changes: every new or changed session takes the next number. */
export const changeSequence = pgSequence("change_sequence");

/** The next number of {@link changeSequence}, for a session that is written now. Never taken straight from it. */
export const nextChange: SQL = sql`next_change()`;

/** The highest number up to which every change is committed or undone: a later look finds nothing new at or below it. */
export const settledChange: SQL<bigint> = sql`settled_change()`.mapWith(BigInt);

/** The people that sessions name: who they are now, whatever they were called when they signed in. */
export const users = pgTable(
  "users",
  {
    instanceId: id().notNull(),
    id: id().notNull(),
    organizationId: id().notNull(),
    userName: text().notNull().default(""),
    loginName: text().notNull().default(""),
    displayName: text().notNull().default(""),
    avatarUrl: text().notNull().default(""),
    /** Who is not active is refused everywhere, whatever their tokens say; a deleted user has no names any more. */
    state: text({ enum: ["active", "inactive", "deleted"] })
      .notNull()
      .default("active"),
    /** What their identity holds in the system they come from; null: made from the names above. */
    traits: jsonb().$type<JsonObject>(),
    schemaId: text().notNull().default("default"),
    metadataPublic: jsonb().$type<JsonObject>(),
    /** The highest assurance level that the user could reach; null if that is not known. */
    availableAal: text({ enum: ["aal1", "aal2"] }),
    createdAt: instant().notNull().default(sql`now()`),
    changedAt: instant().notNull().default(sql`now()`),
  },
  (t) => [
    primaryKey({ name: "users_pkey", columns: [t.instanceId, t.id] }),
    index("users_login_name_idx").on(t.instanceId, foldCase(t.loginName)),
    check("users_state_is_known", sql`${t.state} in ('active', 'inactive', 'deleted')`),
    check("users_available_aal_is_known", sql`${t.availableAal} in ('aal1', 'aal2')`),
  ],
);

/** A user as stored; a name that is not known is "". */
export type User = typeof users.$inferSelect;

/** Whether a user is one whom we know and do not let in. */
export function isDisabled(user: Pick<User, "state"> | null): boolean {
  return user !== null && user.state !== "active";
}

/** Login sessions: open, expired and ended ones. Every key starts with the instance, so that the table can be spread. */
export const sessions = pgTable(
  "sessions",
  {
    instanceId: id().notNull(),
    id: id().notNull(),
    createdAt: instant().notNull(),
    changedAt: instant().notNull(),
    sequence: bigint({ mode: "bigint" }).notNull().default(nextChange),
    /** The user on whose behalf the session was created; null if that is not known. */
    creatorId: id(),

    /** The checked user and their organization at that time; all three are null until a user was checked. */
    userId: id(),
    organizationId: id(),
    userCheckedAt: instant(),

    /** When each factor was last checked; null if it never was. A factor needs a checked user. */
    passwordCheckedAt: instant(),
    webAuthNCheckedAt: instant(),
    webAuthNUserVerified: boolean(),
    intentCheckedAt: instant(),
    totpCheckedAt: instant(),
    otpSmsCheckedAt: instant(),
    otpEmailCheckedAt: instant(),
    recoveryCodeCheckedAt: instant(),

    /** Free data of the client's: each value is base64 of the bytes. */
    metadata: jsonb().$type<Record<string, string>>().notNull().default({}),

    /** The user agent (browser, app) it lives in; each part is null if the client did not tell it. */
    agentFingerprintId: id(),
    agentIp: text(),
    agentDescription: text(),
    agentHeader: jsonb().$type<Record<string, string[]>>(),

    /** From then on it is expired; null: never. */
    expiresAt: instant(),

    /** SHA-256 of the token that opens it; null if it has none. The token itself is nowhere. */
    tokenHash: bytes(),

    /** When, why and by which user it was ended; null while it is not, or if that is not known. */
    endedAt: instant(),
    endReason: text(),
    endedBy: id(),
  },
  (t) => [
    primaryKey({ name: "sessions_pkey", columns: [t.instanceId, t.id] }),
    index("sessions_created_idx").on(t.instanceId, t.createdAt, t.id),
    index("sessions_user_idx").on(t.instanceId, t.userId, t.createdAt, t.id),
    index("sessions_creator_idx").on(t.instanceId, t.creatorId, t.createdAt, t.id),
    index("sessions_organization_idx").on(t.instanceId, t.organizationId, t.createdAt, t.id),
    index("sessions_agent_idx").on(t.instanceId, t.agentFingerprintId, t.createdAt, t.id),
    uniqueIndex("sessions_token_idx").on(t.instanceId, t.tokenHash).where(sql`${t.tokenHash} is not null`),
    index("sessions_sequence_idx").on(t.instanceId, t.sequence),
    // For the retention, and of what it needs only.
    index("sessions_expiring_idx")
      .on(t.instanceId, t.expiresAt)
      .where(sql`${t.endedAt} is null and ${t.expiresAt} is not null`),
    index("sessions_ended_idx").on(t.instanceId, t.endedAt).where(sql`${t.endedAt} is not null`),
    check("sessions_user_is_whole", sql`num_nulls(${t.userId}, ${t.organizationId}, ${t.userCheckedAt}) in (0, 3)`),
    check("sessions_factors_need_user", sql`${t.userId} is not null or ${noneOf(factorColumns(t))}`),
    check("sessions_web_auth_n_is_whole", sql`num_nulls(${t.webAuthNCheckedAt}, ${t.webAuthNUserVerified}) in (0, 2)`),
    check("sessions_end_is_whole", sql`${t.endedAt} is not null or num_nonnulls(${t.endReason}, ${t.endedBy}) = 0`),
  ],
);

/** The tokens of services, made by the operator. */
export const apiTokens = pgTable(
  "api_tokens",
  {
    instanceId: id().notNull(),
    id: id().notNull(),
    /** Whom the token stands for; they need not be known. */
    userId: id().notNull(),
    /** What it is for, in the operator's words. */
    name: text().notNull(),
    /** Its permissions, as in the `scope` of a JWT. */
    scope: text().notNull(),
    /** SHA-256 of the token, which is nowhere. */
    tokenHash: bytes().notNull(),
    createdAt: instant().notNull(),
    /** From then on it is refused; null: never. */
    expiresAt: instant(),
    /** When it was last used, to the minute; null: never. */
    lastUsedAt: instant(),
  },
  (t) => [
    primaryKey({ name: "api_tokens_pkey", columns: [t.instanceId, t.id] }),
    uniqueIndex("api_tokens_token_idx").on(t.instanceId, t.tokenHash),
    index("api_tokens_user_idx").on(t.instanceId, t.userId),
  ],
);

/** A service's token as stored. */
export type ApiToken = typeof apiTokens.$inferSelect;

/** A session as stored. */
export type Session = typeof sessions.$inferSelect;

/** What there is to a session of which nothing is known yet but when it was created. */
export const bareSession = {
  creatorId: null,
  userId: null,
  organizationId: null,
  userCheckedAt: null,
  passwordCheckedAt: null,
  webAuthNCheckedAt: null,
  webAuthNUserVerified: null,
  intentCheckedAt: null,
  totpCheckedAt: null,
  otpSmsCheckedAt: null,
  otpEmailCheckedAt: null,
  recoveryCodeCheckedAt: null,
  metadata: {},
  agentFingerprintId: null,
  agentIp: null,
  agentDescription: null,
  agentHeader: null,
  expiresAt: null,
  tokenHash: null,
  endedAt: null,
  endReason: null,
  endedBy: null,
} satisfies Partial<Session>;

/** A session to be stored; what is left out is null, and its sequence is the next one. */
export type NewSession = typeof sessions.$inferInsert;

/** A session together with its checked user; null if there is none, or if the user is not known (any more). */
export interface SessionOfUser {
  session: Session;
  user: User | null;
}

/** A factor beyond the user, by what its columns begin with. */
export type FactorName = "password" | "webAuthN" | "intent" | "totp" | "otpSms" | "otpEmail" | "recoveryCode";

/** When each factor was last checked. */
export function factorColumns(t: Record<`${FactorName}CheckedAt`, AnyPgColumn>): AnyPgColumn[] {
  return [
    t.passwordCheckedAt,
    t.webAuthNCheckedAt,
    t.intentCheckedAt,
    t.totpCheckedAt,
    t.otpSmsCheckedAt,
    t.otpEmailCheckedAt,
    t.recoveryCodeCheckedAt,
  ];
}

/** All of these columns are null. */
export function noneOf(columns: AnyPgColumn[]): SQL {
  return sql`num_nonnulls(${sql.join(columns, sql`, `)}) = 0`;
}
