import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { createSessionToken } from "../../src/auth/token.ts";
import { testDatabaseUrl } from "./database.ts";

/** A way to sign in, as Kratos notes it in a session. */
export interface KratosMethod {
  method: string;
  aal?: string;
  completed_at?: string;
}

/** A row of Kratos's `sessions`, with its device. */
export interface GivenKratosSession {
  id: string;
  identity_id: string;
  nid: string;
  token: string | null;
  active: boolean | null;
  aal: string;
  authentication_methods: KratosMethod[] | null;
  created_at: string;
  updated_at: string;
  expires_at: string;
  authenticated_at: string;
  device: { ip_address: string; user_agent: string } | undefined;
}

/** A database with Kratos's own tables. */
export interface KratosDatabase {
  url: string;
  nid: string;
  client: postgres.Sql;
  network(): Promise<string>;
  /** An identity; its id. */
  identity(identity?: Record<string, unknown>): Promise<string>;
  /** A session that is active for another day, by password, unless the test says else. */
  session(session: Partial<GivenKratosSession> & { identity_id: string }): Promise<GivenKratosSession>;
  /** Many at once, each as {@link session} makes it. */
  sessions(sessions: (Partial<GivenKratosSession> & { identity_id: string })[]): Promise<GivenKratosSession[]>;
  drop(): Promise<void>;
}

const at = "2026-01-02T03:04:05.123456";
const tables = fileURLToPath(new URL("kratos-tables.sql", import.meta.url));

/** Makes a Kratos database with one network; the suite drops it. */
export async function createKratosDatabase(): Promise<KratosDatabase> {
  const name = `kratos_test_${randomUUID().replaceAll("-", "")}`;
  const admin = postgres(testDatabaseUrl(), { max: 1, onnotice: () => {} });
  await admin`create database ${admin(name)}`;
  const url = new URL(testDatabaseUrl());
  url.pathname = name;
  const client = postgres(url.href, { max: 2, onnotice: () => {} });
  await client.file(tables);
  const network = async () => {
    const id = randomUUID();
    await client`insert into networks (id, created_at, updated_at) values (${id}, ${at}, ${at})`;
    return id;
  };
  const nid = await network();
  const sessions: KratosDatabase["sessions"] = async (given) => {
    const rows = given.map((session) => ({ ...createSession(nid), ...session }));
    await insertSessions(client, rows);
    return rows;
  };
  return {
    url: url.href,
    nid,
    client,
    network,
    sessions,
    async identity(identity = {}) {
      const row = { id: randomUUID(), schema_id: "default", traits: {}, created_at: at, updated_at: at, nid };
      const text = JSON.stringify({ ...row, state: "active", ...identity });
      const [stored] = await client`
        insert into identities select * from jsonb_populate_record(null::identities, ${text}::text::jsonb) returning id`;
      return stored?.["id"];
    },
    async session(session) {
      const [row] = await sessions([session]);
      if (!row) throw new Error("the session was not stored");
      return row;
    },
    async drop() {
      await client.end();
      await admin`drop database ${admin(name)} with (force)`;
      await admin.end();
    },
  };
}

function createSession(nid: string): Omit<GivenKratosSession, "identity_id"> {
  return {
    id: randomUUID(),
    nid,
    token: createSessionToken(),
    active: true,
    aal: "aal1",
    authentication_methods: [{ method: "password", aal: "aal1", completed_at: `${at}789Z` }],
    created_at: at,
    updated_at: at,
    expires_at: "2100-01-01T00:00:00",
    authenticated_at: at,
    device: undefined,
  };
}

async function insertSessions(client: postgres.Sql, rows: readonly GivenKratosSession[]): Promise<void> {
  const text = JSON.stringify(rows.map((row) => ({ ...row, device_id: randomUUID() })));
  await client`
    insert into sessions (id, nid, identity_id, token, active, aal, authentication_methods,
      created_at, issued_at, updated_at, expires_at, authenticated_at)
    select id, nid, identity_id, token, active, aal, coalesce(authentication_methods, 'null'),
      created_at, created_at, updated_at, expires_at, authenticated_at
    from jsonb_populate_recordset(null::sessions, ${text}::text::jsonb)`;
  await client`
    insert into session_devices (id, nid, session_id, identity_id, ip_address, user_agent, created_at, updated_at)
    select (row->>'device_id')::uuid, (row->>'nid')::uuid, (row->>'id')::uuid, (row->>'identity_id')::uuid,
      row->'device'->>'ip_address', row->'device'->>'user_agent', (row->>'created_at')::timestamp, now()
    from jsonb_array_elements(${text}::text::jsonb) as row where row ? 'device'`;
}
