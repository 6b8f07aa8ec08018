import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAuthenticateHolder } from "../../src/auth/holder.ts";
import { now, second } from "../support/given.ts";
import { type SignedIn, startKratosServer } from "../support/kratos.ts";

const server = await startKratosServer();
afterAll(() => server.close());

const unknownToken = `ory_st_${"a".repeat(32)}`;
let ann: SignedIn;
let bob: SignedIn;
let dead: SignedIn;
beforeAll(async () => {
  [ann, bob, dead] = [
    await server.signIn({ id: "ann" }),
    await server.signIn({ id: "bob" }),
    await server.signIn({ id: "cy" }, { endedAt: now - second }),
  ];
});

interface Sent {
  header?: string;
  cookie?: string;
  bearer?: string;
}

describe("the first place that holds a token counts", () => {
  test.each<[string, () => Sent, string | undefined]>([
    ["the header alone", () => ({ header: ann.token }), "ann"],
    ["the cookie alone", () => ({ cookie: cookie(ann.token) }), "ann"],
    ["the bearer alone", () => ({ bearer: ann.token }), "ann"],
    [
      "the header before cookie and bearer",
      () => ({ header: ann.token, cookie: cookie(bob.token), bearer: bob.token }),
      "ann",
    ],
    ["the cookie before the bearer", () => ({ cookie: cookie(ann.token), bearer: bob.token }), "ann"],
    ["an empty header is none", () => ({ header: "", cookie: cookie(ann.token) }), "ann"],
    [
      "a dead header is not made up for by cookie and bearer",
      () => ({ header: dead.token, cookie: cookie(ann.token), bearer: ann.token }),
      undefined,
    ],
    [
      "an unknown header is not made up for by cookie and bearer",
      () => ({ header: unknownToken, cookie: cookie(ann.token), bearer: ann.token }),
      undefined,
    ],
    [
      "a header that is no token of ours is not made up for",
      () => ({ header: "nonsense", cookie: cookie(ann.token) }),
      undefined,
    ],
    [
      "a dead cookie is not made up for by the bearer",
      () => ({ cookie: cookie(dead.token), bearer: ann.token }),
      undefined,
    ],
    [
      "an unknown cookie is not made up for by the bearer",
      () => ({ cookie: cookie(unknownToken), bearer: ann.token }),
      undefined,
    ],
    [
      "a cookie that is none of ours leaves it to the bearer",
      () => ({ cookie: cookie("MTY5"), bearer: ann.token }),
      "ann",
    ],
    [
      "of several cookies the first one of ours",
      () => ({ cookie: `${cookie("MTY5")}; ${cookie(ann.token)}; ${cookie(bob.token)}` }),
      "ann",
    ],
    ["other cookies are ignored", () => ({ cookie: `a=b; x_${cookie(bob.token)}; ${cookie(ann.token)}; z` }), "ann"],
    ["another cookie's value is no token", () => ({ cookie: `session=${ann.token}` }), undefined],
    ["a dead bearer opens nothing", () => ({ bearer: dead.token }), undefined],
    ["nothing opens nothing", () => ({}), undefined],
  ])("%s", async (_rule, toSent, expected) => {
    const { header, cookie, bearer } = toSent();

    const { status, json } = await whoami({
      ...(header !== undefined && { "x-session-token": header }),
      ...(cookie !== undefined && { cookie }),
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
    });

    expect({ status, userId: json.identity?.id }).toEqual(
      expected === undefined ? { status: 401, userId: undefined } : { status: 200, userId: expected },
    );
  });

  test("a token in other letter case is another token", async () => {
    const swapped = ann.token.replace(/[A-Z]|(?<=ory_st_.*)[a-z]/g, (letter) =>
      letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
    );

    expect((await whoami({ "x-session-token": swapped })).status).toBe(401);
  });

  test("a hash is no token", async () => {
    const hash = ann.session.tokenHash?.toString("hex") ?? "";

    expect((await whoami({ "x-session-token": hash })).status).toBe(401);
  });

  test("the cookie may be named otherwise, and then is the only one", async () => {
    const { instanceId, database } = server;
    const verifyJwt = () => Promise.reject(new Error("there is no bearer"));
    const options = { instanceId, database, cookieName: "ory_session_x", verifyJwt, now: () => now };
    const other = await startKratosServer({ authenticateHolder: createAuthenticateHolder(options) });
    const answers = [];
    for (const name of ["ory_session_x", "ory_kratos_session"]) {
      const headers = { cookie: `${name}=${ann.token}` };
      answers.push((await other.ask("GET", "/sessions/whoami", { headers })).status);
    }
    await other.close();

    expect(answers).toEqual([200, 401]);
  });
});

describe("a JWT as bearer", () => {
  test("opens the session that its sid names", async () => {
    const { status, json } = await whoami(await jwt({ sub: "ann", sid: ann.session.id }));

    expect({ status, id: json.id }).toEqual({ status: 200, id: ann.session.id });
  });

  test("leaves out that session where the others are listed", async () => {
    const other = await server.signInAs(ann.user);

    const { json } = await server.ask("GET", "/sessions", {
      headers: await jwt({ sub: "ann", sid: other.session.id }),
    });

    expect(json.map(({ id }: { id: string }) => id)).toEqual([ann.session.id]);
  });

  test.each<[string, () => object]>([
    ["no sid", () => ({ sub: "ann" })],
    ["an empty sid", () => ({ sub: "ann", sid: "" })],
    ["a sid that nobody knows", () => ({ sub: "ann", sid: randomUUID() })],
    ["the sid of another user's session", () => ({ sub: "ann", sid: bob.session.id })],
    ["the sid of a dead session", () => ({ sub: "cy", sid: dead.session.id })],
    ["an end in the past", () => ({ sub: "ann", sid: ann.session.id, exp: 1 })],
    ["another audience", () => ({ sub: "ann", sid: ann.session.id, aud: "others" })],
    ["all scopes and no sid", () => ({ sub: "ann", scope: "session.read session.delete" })],
  ])("with %s opens nothing", async (_name, toClaims) => {
    const { status, json } = await whoami(await jwt(toClaims()));

    expect({ status, reason: json.error.reason }).toEqual({
      status: 401,
      reason: "No valid session credentials found in the request.",
    });
  });

  test("counts only as bearer", async () => {
    const { authorization } = await jwt({ sub: "ann", sid: ann.session.id });
    const token = authorization.slice("Bearer ".length);

    expect((await whoami({ "x-session-token": token })).status).toBe(401);
    expect((await whoami({ cookie: cookie(token) })).status).toBe(401);
  });

  test("is not tried once the header holds a token", async () => {
    const headers = { ...(await jwt({ sub: "ann", sid: ann.session.id })), "x-session-token": unknownToken };

    expect((await whoami(headers)).status).toBe(401);
  });
});

test("a session of another instance opens nothing here", async () => {
  const other = await startKratosServer();
  const { token } = await other.signIn({ id: "ann" });
  await other.close();

  expect((await whoami({ "x-session-token": token })).status).toBe(401);
});

test("a session without a checked user opens nothing", async () => {
  const { token } = await server.signInAs(ann.user, { userId: null, passwordCheckedAt: null });

  expect((await whoami({ "x-session-token": token })).status).toBe(401);
});

function cookie(value: string): string {
  return `ory_kratos_session=${value}`;
}

async function jwt(claims: object): Promise<{ authorization: string }> {
  return { authorization: `Bearer ${await server.issuer.token({ ...claims })}` };
}

async function whoami(headers: Record<string, string>) {
  return await server.ask("GET", "/sessions/whoami", { headers });
}
