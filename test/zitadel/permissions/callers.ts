import type { Permission } from "../../../src/sessions/access.ts";
import type { Kind, Rights } from "./rules.ts";

/** The organization of every caller. */
export const ownOrganization = "org-1";

/** A caller by what they may do. */
export interface NamedRights extends Rights {
  /** The roles that come to this, if any do, and the scope of the token. */
  name: string;
  scope: string;
}

const permissions: Permission[] = ["session.read", "session.write", "session.delete"];
const [read, write, end] = ["session.read", "session.write", "session.delete"] as const;

/** What Zitadel's roles come to. @see Zitadel's cmd/defaults.yaml */
export const roles: Record<string, Rights> = {
  IAM_OWNER: { instance: [read, write, end], organization: [] },
  IAM_LOGIN_CLIENT: { instance: [read, write, end], organization: [] },
  IAM_OWNER_VIEWER: { instance: [read], organization: [] },
  IAM_ORG_MANAGER: { instance: [read, end], organization: [] },
  IAM_USER_MANAGER: { instance: [read, end], organization: [] },
  ORG_OWNER: { instance: [], organization: [read, end] },
  ORG_USER_MANAGER: { instance: [], organization: [read, end] },
  ORG_OWNER_VIEWER: { instance: [], organization: [] },
  PROJECT_OWNER: { instance: [], organization: [] },
};

/** Everything that a caller can be granted, and so every role. */
export const callers: NamedRights[] = subsets(permissions).flatMap((instance) =>
  subsets(permissions).map((organization) => toNamed({ instance, organization })),
);

/** Those among them who have a role. */
export const roleHolders = callers.filter(({ scope }) => Object.values(roles).some((role) => toScope(role) === scope));

const users = ["themselves", "a colleague", "an outsider", "nobody"] as const;
const ties = ["created by them", "in their user agent", "no tie"] as const;
const states = ["live", "ended"] as const;

/** Every session that a caller can name. */
export const kinds: Kind[] = [
  ...users.flatMap((user) => ties.flatMap((tie) => states.map((state): Kind => ({ user, tie, state, where: "here" })))),
  ...users.map((user): Kind => ({ user, tie: "no tie", state: "expired", where: "here" })),
  ...ties.map((tie): Kind => ({ user: "themselves", tie, state: "live", where: "in another instance" })),
  { user: "nobody", tie: "no tie", state: "live", where: "nowhere" },
];

/** A kind in words. */
export function nameOf({ user, tie, state, where }: Kind): string {
  return `${state}, of ${user}, ${tie}, ${where}`;
}

function toNamed(rights: Rights): NamedRights {
  const scope = toScope(rights);
  const same = Object.keys(roles).filter((name) => toScope(roles[name] ?? rights) === scope);
  return { ...rights, scope, name: `${same.join(", ") || "no role"}: ${scope || "no permission"}` };
}

function toScope({ instance, organization }: Rights): string {
  return [...instance, ...organization.map((permission) => `${permission}/${ownOrganization}`)].join(" ");
}

function subsets<T>([first, ...rest]: readonly T[]): T[][] {
  if (first === undefined) return [[]];
  const others = subsets(rest);
  return [...others.map((subset) => [first, ...subset]), ...others];
}
