import { everySessionOf } from "../sessions/access.ts";
import { instantOfMs } from "../sessions/instant.ts";
import { erasePerson } from "../sessions/person.ts";
import type { Db } from "../sessions/store.ts";

/** Erases all that there is of a person in an instance, or nothing if that fails, and prints how much it was. */
export async function runErase(db: Db, instanceId: string, userId: string): Promise<void> {
  const erased = await erasePerson(db, everySessionOf(instanceId), userId, instantOfMs(Date.now()));
  const rows = [
    toCount(erased.users, "user"),
    toCount(erased.sessions, "session"),
    toCount(erased.apiTokens, "API token"),
  ];
  const others = toCount(erased.forgotten, "other session");
  process.stdout.write(`erased ${rows.join(", ")}; forgotten as creator or ender of ${others}\n`);
}

function toCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
