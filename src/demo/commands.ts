import { demoPassword } from "./credentials.ts";
import type { DemoIssuer } from "./issuer.ts";
import { loginServices } from "./logins.ts";
import { alder } from "./organizations.ts";
import { personas } from "./people.ts";
import { meisBrowserId } from "./personas.ts";

/** A token of each caller of the printed commands, by the shell variable that holds it. */
export interface Tokens {
  ADMIN: string;
  MANAGER: string;
  /** Not USER: the shell has one. */
  USER_TOKEN: string;
  /** Of the service that signs people in. */
  LOGIN_SERVICE: string;
}

interface Block {
  about: string;
  lines: string[];
}

/**
 * Has the issuer make the tokens: of who may read all, of who may read one organization, of an ordinary user, and of
 * the service that may open sessions.
 */
export async function createTokens(issuer: DemoIssuer): Promise<Tokens> {
  const { admin, manager, user } = personas;
  return {
    ADMIN: await issuer.createToken({ userId: admin.id, scope: "session.read" }),
    MANAGER: await issuer.createToken({ userId: manager.id, scope: `session.read/${manager.organizationId}` }),
    USER_TOKEN: await issuer.createToken({ userId: user.id, agentId: meisBrowserId }),
    LOGIN_SERVICE: await issuer.createToken({ userId: loginServices.browser, scope: "session.write" }),
  };
}

/**
 * What to paste into a shell to see Rollcall at `url` answer: tokens first, then commands in each dialect.
 *
 * All of it is one script for bash and zsh. Comments hold no character that means anything to zsh, which at its prompt
 * takes them for commands.
 */
export function toScript(url: string, tokens: Tokens): string {
  const blocks: Block[] = [
    {
      about: `Tokens of an admin, the manager of ${alder.name}, ${personas.user.displayName} who works there, and a login service`,
      lines: Object.entries(tokens).map(([name, token]) => `${name}=${token}`),
    },
    {
      about: "REST, the admin: the newest 2 of all sessions that were not ended, and how many those are",
      lines: [
        `curl -sS -w '\\n' '${url}/v2/sessions/search' \\`,
        `  -H "Authorization: Bearer $ADMIN" \\`,
        `  -d '{"query": {"limit": 2}}'`,
      ],
    },
    {
      about: `Connect JSON, the manager: the oldest 2 sessions of people at ${alder.name}, and of nobody else`,
      lines: [
        `curl -sS -w '\\n' '${url}/zitadel.session.v2.SessionService/ListSessions' \\`,
        `  -H "Authorization: Bearer $MANAGER" -H 'Content-Type: application/json' \\`,
        `  -d '{"query": {"limit": 2, "asc": true}, "sortingColumn": "SESSION_FIELD_NAME_CREATION_DATE"}'`,
      ],
    },
    ...toSignIn(url),
    {
      about: "gRPC, Mei Tanaka: the sessions in her browser, whoever is signed in - without the one that is over",
      lines: [
        `npx buf curl --schema . --protocol grpc --http2-prior-knowledge \\`,
        `  -H "Authorization: Bearer $USER_TOKEN" \\`,
        `  -d '{"queries": [{"userAgentQuery": {}}]}' \\`,
        `  '${url}/zitadel.session.v2.SessionService/ListSessions'`,
      ],
    },
  ];
  return blocks.map(({ about, lines }) => [`# ${about}`, ...lines, ""].join("\n")).join("\n");
}

// The session is ended at last: pasted again, the commands show the same.
function toSignIn(url: string): Block[] {
  return [
    {
      about: "REST, the login service: Mei Tanaka signs in once more in her browser, with her password",
      lines: [
        `SIGN_IN=$(curl -sS '${url}/v2/sessions' \\`,
        `  -H "Authorization: Bearer $LOGIN_SERVICE" \\`,
        `  -d '{"lifetime": "3600s", "userAgent": {"fingerprintId": "${meisBrowserId}"},`,
        `       "checks": {"user": {"loginName": "${personas.user.loginName}"},`,
        `                  "password": {"password": "${demoPassword}"}}}')`,
        `SESSION_ID=$(echo "$SIGN_IN" | sed -n 's/.*"sessionId":"\\([^"]*\\)".*/\\1/p')`,
        `SESSION_TOKEN=$(echo "$SIGN_IN" | sed -n 's/.*"sessionToken":"\\([^"]*\\)".*/\\1/p')`,
        `echo "$SIGN_IN"`,
      ],
    },
    {
      about: "Kratos, by the token of that session: her other ones, of which one is on her phone",
      lines: [`curl -sS -w '\\n' '${url}/sessions' -H "X-Session-Token: $SESSION_TOKEN"`],
    },
    {
      about: "REST, by the same token: the accounts in her browser, for a switcher - 2 active, 2 terminated",
      lines: [
        `curl -sS -w '\\n' '${url}/auth/v1/users/me/sessions/_search' \\`,
        `  -H "Authorization: Bearer $SESSION_TOKEN" \\`,
        `  -d '{}'`,
      ],
    },
    {
      about: "REST, by the same token: she signs out of that session, and the token is void",
      lines: [
        `curl -sS -w '\\n' -X DELETE "${url}/v2/sessions/$SESSION_ID" \\`,
        `  -H "Authorization: Bearer $SESSION_TOKEN"`,
      ],
    },
  ];
}
