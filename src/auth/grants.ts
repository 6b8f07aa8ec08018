import type { Grant, Permission } from "../sessions/access.ts";

const permissions: readonly string[] = ["session.read", "session.write", "session.delete"] satisfies Permission[];

/** Reads the words of a scope, `session.read session.write/ORG …`; what is not ours is somebody else's. */
export function readGrants(scope: string): Grant[] {
  return scope.split(" ").flatMap((word) => readGrant(word) ?? []);
}

/** Reads one word of a scope; undefined if it is none of ours. */
export function readGrant(word: string): Grant | undefined {
  const [permission = "", ...organization] = word.split("/");
  const organizationId = organization.length === 0 ? undefined : organization.join("/");
  return isPermission(permission) && organizationId !== "" ? { permission, organizationId } : undefined;
}

function isPermission(word: string): word is Permission {
  return permissions.includes(word);
}
