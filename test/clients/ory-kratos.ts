import { Configuration, FrontendApi, IdentityApi } from "@ory/kratos-client";
import type { TestServer } from "../support/server.ts";

/** What a manager of sessions may do. */
export const allScopes = "session.read session.write session.delete";

/** Ory's client of the public routes. Who calls is told with each call. */
export function createFrontend({ url }: Pick<TestServer, "url">): FrontendApi {
  return new FrontendApi(new Configuration({ basePath: url }));
}

/** Ory's client of the routes under /admin, which calls with a token of the issuer. */
export async function createIdentity(
  { url, issuer }: Pick<TestServer, "url" | "issuer">,
  scope = allScopes,
): Promise<IdentityApi> {
  // The client sends the key as it is, without a scheme.
  const apiKey = `Bearer ${await issuer.token({ sub: "manager", scope })}`;
  return new IdentityApi(new Configuration({ basePath: url, apiKey }));
}

/** How a call fails: status and error of the envelope. Throws if it succeeds, or fails on the way. */
export async function failureOf(call: Promise<unknown>) {
  const error = await call.then(
    () => new Error("the call succeeded"),
    (error: unknown) => error,
  );
  if (!isAnswered(error)) throw error;
  return { status: error.response.status, error: error.response.data.error };
}

/** The ids of listed sessions. */
export function idsOf({ data }: { data: { id: string }[] }): string[] {
  return data.map(({ id }) => id);
}

function isAnswered(error: unknown): error is { response: { status: number; data: { error: unknown } } } {
  return error instanceof Error && "response" in error && typeof error.response === "object";
}
