import type { JsonObject } from "@bufbuild/protobuf";
import { eq } from "drizzle-orm";
import type { JWTPayload } from "jose";
import { type Session, sessions } from "../../src/sessions/schema.ts";
import type { LifecycleMethod } from "../clients/lifecycle.ts";
import type { TestServer } from "../support/server.ts";

/** An answer of Connect's JSON, as it came. */
export interface Answered {
  status: number;
  /** The message, or the error with its code and text. */
  json: ReturnType<typeof JSON.parse>;
}

/** Whoever opens and changes sessions here. */
export const manager: JWTPayload = { sub: "manager", scope: "session.read session.write session.delete" };

/**
 * Sends a request as it is, in Connect's JSON: a client library may refuse by itself what a server has to refuse.
 */
export async function post(
  { url, issuer }: Pick<TestServer, "url" | "issuer">,
  method: LifecycleMethod,
  request: JsonObject,
  claims: JWTPayload = manager,
): Promise<Answered> {
  const response = await fetch(`${url}/zitadel.session.v2.SessionService/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${await issuer.token(claims)}` },
    body: JSON.stringify(request),
  });
  return { status: response.status, json: await response.json() };
}

/** Every session of the server's instance as it is stored. */
export async function rowsOf({ database, instanceId }: TestServer): Promise<Session[]> {
  return await database.db.select().from(sessions).where(eq(sessions.instanceId, instanceId)).orderBy(sessions.id);
}
