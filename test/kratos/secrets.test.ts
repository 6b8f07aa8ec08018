import { expect, test } from "vitest";
import { hashToken } from "../../src/auth/token.ts";
import { now } from "../support/given.ts";
import { type KratosAnswer, startKratosServer } from "../support/kratos.ts";

test("no token, hash, cookie, e-mail or name of a person stands in the log or in an error", async () => {
  const server = await startKratosServer();
  const { ask, signIn, signInAs } = server;
  const ann = await signIn({ loginName: "ann.secret@example.com", displayName: "Ann Secret" });
  const dead = await signInAs(ann.user, { endedAt: now });
  const proofless = await signInAs(ann.user, { passwordCheckedAt: null });
  const jwt = await server.issuer.token({ sub: ann.user.id, email: "ann.secret@example.com" });
  const expired = await server.issuer.token({ sub: ann.user.id, sid: ann.session.id, exp: 1 });

  const errors: KratosAnswer[] = [];
  for (const path of ["/sessions", "/sessions/whoami", "/admin/sessions", "/admin/sessions/none?token=secret-token"]) {
    for (const token of [dead.token, proofless.token, jwt, expired]) {
      const ways: Record<string, string>[] = [
        { "x-session-token": token },
        { cookie: `ory_kratos_session=${token}; other=secret-cookie` },
        { authorization: `Bearer ${token}`, "user-agent": "secret-agent" },
        { authorization: `Basic ${token}` },
      ];
      for (const headers of ways) errors.push(await ask("GET", path, { headers }));
    }
  }
  const headers = await server.manager();
  errors.push(await ask("GET", `/sessions/whoami?tokenize_as=jwt&token=secret-token`, ann));
  errors.push(await ask("POST", "/admin/sessions", { headers, body: `{"secret-body` }));
  errors.push(await ask("POST", "/admin/sessions", { headers, body: `{"action":"secret-body"}` }));
  await ask("GET", "/sessions", ann);
  await ask("DELETE", "/sessions", ann);
  await server.close();

  expect(server.log).toHaveLength(errors.length + 2);
  const texts = JSON.stringify([server.log, errors.filter(({ status }) => status >= 400).map(toText)]);
  const tokens = [ann, dead, proofless].flatMap(({ token }) => [token, ...toHashes(token)]);
  const bearer = headers.authorization.slice("Bearer ".length);
  const jwts = [jwt, expired, bearer].flatMap((token) => token.split(".").slice(1));
  for (const secret of [...tokens, ...jwts, "ann.secret", "Ann Secret", "secret-"]) expect(texts).not.toContain(secret);
});

test("no answer shows a token or its hash", async () => {
  const server = await startKratosServer();
  const { ask, signIn, signInAs } = server;
  const ann = await signIn();
  const other = await signInAs(ann.user);
  const headers = { ...(await server.manager()), ...ann.headers };

  const texts = [];
  for (const path of ["/sessions", "/sessions/whoami", `/admin/identities/${ann.user.id}/sessions`]) {
    texts.push(toText(await ask("GET", path, { headers })));
  }
  texts.push(toText(await ask("GET", "/admin/sessions?expand=identity&expand=devices", { headers })));
  texts.push(toText(await ask("PATCH", `/admin/sessions/${other.session.id}/extend`, { headers })));
  await server.close();

  for (const secret of [ann, other].flatMap(({ token }) => [token, ...toHashes(token)])) {
    expect(texts.join("\n")).not.toContain(secret);
  }
  expect(texts.join("\n")).not.toMatch(/token"|hash|ory_st_/i);
});

function toHashes(token: string): string[] {
  return (["hex", "base64", "base64url"] as const).map((encoding) => hashToken(token).toString(encoding));
}

function toText({ headers, text }: KratosAnswer): string {
  return `${JSON.stringify([...headers])}\n${text}`;
}
