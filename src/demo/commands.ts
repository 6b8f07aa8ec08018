import type { DemoIssuer } from "./issuer.ts";
import { alder } from "./organizations.ts";
import { personas } from "./people.ts";
import { meisBrowserId, meisToken } from "./personas.ts";

/** A token of each caller of the printed commands, by the shell variable that holds it. */
export interface Tokens {
  ADMIN: string;
  MANAGER: string;
  /** Not USER: the shell has one. */
  USER_TOKEN: string;
  /** Of the same user's session, for Kratos's dialect. */
  SESSION_TOKEN: string;
}

interface Block {
  about: string;
  lines: string[];
}

/** Has the issuer make the tokens: of who may read all, of who may read one organization, and of an ordinary user. */
export async function createTokens(issuer: DemoIssuer): Promise<Tokens> {
  const { admin, manager, user } = personas;
  return {
    ADMIN: await issuer.createToken({ userId: admin.id, scope: "session.read" }),
    MANAGER: await issuer.createToken({ userId: manager.id, scope: `session.read/${manager.organizationId}` }),
    USER_TOKEN: await issuer.createToken({ userId: user.id, agentId: meisBrowserId }),
    SESSION_TOKEN: meisToken,
  };
}

/**
 * What to paste into a shell to see Rollcall at `url` answer: tokens first, then a command for each dialect.
 *
 * All of it is one script for bash and zsh. Comments hold no character that means anything to zsh, which at its prompt
 * takes them for commands.
 */
export function toScript(url: string, tokens: Tokens): string {
  const blocks: Block[] = [
    {
      about: `Tokens of an admin, of the manager of ${alder.name}, and of ${personas.user.displayName} who works there`,
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
    {
      about: "REST, Mei Tanaka: the accounts in her browser, as for an account switcher - 2 active, 2 terminated",
      lines: [
        `curl -sS -w '\\n' '${url}/auth/v1/users/me/sessions/_search' \\`,
        `  -H "Authorization: Bearer $USER_TOKEN" \\`,
        `  -d '{}'`,
      ],
    },
    {
      about: "Kratos, Mei Tanaka: her other sessions, of which there is the one on her phone",
      lines: [`curl -sS -w '\\n' '${url}/sessions' -H "X-Session-Token: $SESSION_TOKEN"`],
    },
    {
      about: "gRPC, Mei Tanaka: the sessions in her browser, whoever is signed in",
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
