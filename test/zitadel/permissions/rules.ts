import type { Permission } from "../../../src/sessions/access.ts";

// The contract in words of its own: nothing here asks the code that is under test.

/** What a caller was granted, on the whole instance and on the organization that they are of. */
export interface Rights {
  instance: readonly Permission[];
  organization: readonly Permission[];
}

/** Whose session it is, what else ties it to the caller, and where it is. */
export interface Kind {
  user: "themselves" | "a colleague" | "an outsider" | "nobody";
  tie: "created by them" | "in their user agent" | "no tie";
  state: "live" | "expired" | "ended";
  where: "here" | "in another instance" | "nowhere";
}

/** How a call ends. */
export type Outcome = "granted" | (typeof refusals)[keyof typeof refusals];

const refusals = {
  unknown: "not_found: Errors.Session.NotExisting (QUERY-SFeaa)",
  denied: "permission_denied: No matching permissions found (AUTH-AWfge)",
  ended: "failed_precondition: Errors.Session.Terminated (COMMAND-Hewfq)",
  expired: "failed_precondition: Errors.Session.Expired (COMMAND-Hkl3d)",
  userUnknown: "not_found: the user does not exist",
  userKept: "invalid_argument: user change not possible",
} as const;

/** What each method that names a session says to a caller about it. */
export const rules = {
  /** Who may not see it hears that there is none. */
  getSession: (rights: Rights, kind: Kind): Outcome => (isVisible(rights, kind) ? "granted" : refusals.unknown),

  /** Who may change it hears what state it is in; who may only see it, that they may not. */
  setSession(rights: Rights, kind: Kind): Outcome {
    if (!isHere(kind) || !holds(rights, "session.write", kind)) {
      return isVisible(rights, kind) ? refusals.denied : refusals.unknown;
    }
    return kind.state === "live" ? "granted" : refusals[kind.state];
  },

  /** SetSession that names a user who does not exist: a session that has one says no more than that it keeps them. */
  nameUnknownUser(rights: Rights, kind: Kind): Outcome {
    if (!isHere(kind) || !holds(rights, "session.write", kind)) return rules.setSession(rights, kind);
    return kind.user === "nobody" ? refusals.userUnknown : refusals.userKept;
  },

  /** One's own, or by permission; who may end every session may also end what is not there. */
  deleteSession(rights: Rights, kind: Kind): Outcome {
    const mayEnd = isHere(kind) && (kind.user === "themselves" || holds(rights, "session.delete", kind));
    return mayEnd || rights.instance.includes("session.delete") ? "granted" : refusals.denied;
  },
};

/** What CreateSession says: a new session is of no organization. */
export function createRule({ instance }: Rights): Outcome {
  return instance.includes("session.write") ? "granted" : refusals.denied;
}

/** Whether a session is shown to a caller: never once it was ended. */
export function isVisible(rights: Rights, kind: Kind): boolean {
  const isTheirs = kind.user === "themselves" || kind.tie !== "no tie";
  return isHere(kind) && kind.state !== "ended" && (isTheirs || holds(rights, "session.read", kind));
}

function isHere({ where }: Kind): boolean {
  return where === "here";
}

function holds({ instance, organization }: Rights, permission: Permission, { user }: Kind): boolean {
  const isOfTheirs = user === "themselves" || user === "a colleague";
  return instance.includes(permission) || (isOfTheirs && organization.includes(permission));
}
