import http from "node:http";
import { createSessionToken, hashToken } from "../../src/auth/token.ts";
import type { NewSession, Session, User } from "../../src/sessions/schema.ts";
import { openTestDatabase } from "./database.ts";
import { hour, now } from "./given.ts";
import { startTestServer, type TestServer } from "./server.ts";

/** Somebody who is signed in by password, and the token of the session that they use. */
export interface SignedIn {
  user: User;
  session: Session;
  token: string;
  /** What they send to be known. */
  headers: { "x-session-token": string };
}

/** An answer of Kratos's routes, read to its end. */
export interface KratosAnswer {
  status: number;
  headers: Headers;
  text: string;
  /** The body as JSON; undefined if there is none. */
  json: ReturnType<typeof JSON.parse>;
}

/** What a request brings besides its method and path. */
export interface KratosRequest {
  headers?: Record<string, string>;
  body?: string;
}

/** A test server whose time stands still for lists, ends and extensions; tokens live by the real time. */
export async function startKratosServer(
  options: Parameters<typeof startTestServer>[0] = {},
): Promise<TestServer & ReturnType<typeof createKratos>> {
  const database = openTestDatabase(options.databaseUrl);
  const server = await startTestServer({ directory: { database, now: () => now }, ...options });
  const close = async () => {
    await server.close();
    await database.close();
  };
  return { ...server, ...createKratos(server), close };
}

/** Users who sign in, managers, and requests by fetch. */
export function createKratos(server: Pick<TestServer, "url" | "given" | "issuer">) {
  const signInAs = async (user: User, session: Partial<NewSession> = {}): Promise<SignedIn> => {
    const token = createSessionToken();
    const createdAt = session.createdAt ?? now - hour;
    const proven = { userId: user.id, passwordCheckedAt: createdAt, tokenHash: hashToken(token) };
    const stored = await server.given.session({ ...proven, ...session });
    return { user, session: stored, token, headers: { "x-session-token": token } };
  };
  return {
    /** One more session of a user. */
    signInAs,
    /** A new user, signed in. */
    async signIn(user: Partial<User> = {}, session: Partial<NewSession> = {}): Promise<SignedIn> {
      return await signInAs(await server.given.user(user), session);
    },
    /** The headers of somebody who manages sessions. */
    async manager(scope = "session.read session.write session.delete"): Promise<{ authorization: string }> {
      return { authorization: `Bearer ${await server.issuer.token({ sub: "manager", scope })}` };
    },
    ask: (method: string, path: string, request: KratosRequest = {}) => ask(`${server.url}${path}`, method, request),
  };
}

/** The links of a `Link` header by their rel, in the order in which they stand there. */
export function linksOf({ headers }: Pick<KratosAnswer, "headers">): Record<string, string> {
  const links = (headers.get("link") ?? "").split(/,(?=<)/);
  return Object.fromEntries(
    links.map((link) => {
      const [, uri = "", rel = ""] = /^<([^>]*)>; rel="(\w+)"$/.exec(link) ?? [];
      return [rel, uri];
    }),
  );
}

/** The ids of the sessions that an answer lists. */
export function idsOf({ json }: Pick<KratosAnswer, "json">): string[] {
  return json.map(({ id }: { id: string }) => id);
}

// Not fetch: it sends no TRACE, and repeats requests of its own accord.
async function ask(url: string, method: string, { headers = {}, body }: KratosRequest): Promise<KratosAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  http.request(url, { method, headers }, resolve).on("error", reject).end(body);
  const response = await promise;
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  const distinct = Object.entries(response.headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  return {
    status: response.statusCode ?? 0,
    headers: new Headers(distinct),
    text,
    json: text === "" ? undefined : JSON.parse(text),
  };
}
