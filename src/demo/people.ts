import { type ImportedUser, plainIdentity } from "../sessions/bulk.ts";
import { createName, type Name } from "./names.ts";
import { alder, brightwater, type Organization, organizations } from "./organizations.ts";
import { chance, integer, type Random } from "./random.ts";

/** The demo's sessions are an instance of their own: other data in the same database stays as it is. */
export const demoInstanceId = "demo";

/** People that the printed commands speak of; the others come from the seed. */
export const personas = {
  /** May read all sessions of the instance. */
  admin: givenPerson("318838651180466184", brightwater, "ines.carvalho", "Inês Carvalho"),
  /** May read the sessions of Alder Clinics. */
  manager: givenPerson("318838657807491080", alder, "kofi.mensah", "Kofi Mensah"),
  /** Has two accounts in her browser, and two more people have used it. */
  user: givenPerson("318838664434515976", alder, "mei.tanaka", "Mei Tanaka"),
  userAtUniversity: givenPerson("318838671061540872", brightwater, "mei.tanaka", "Mei Tanaka"),
  colleague: givenPerson("318838677688565768", alder, "jonas.keller", "Jonas Keller"),
  visitor: givenPerson("318838684315590664", alder, "amara.okonkwo", "Amara Okonkwo"),
};

/** How many users the demo has. */
export const userCount: number = organizations.reduce((sum, { share }) => sum + share, 0);

/** All users of the demo: the personas, and then people until every organization has its share. */
export function createPeople(random: Random): ImportedUser[] {
  const people: ImportedUser[] = Object.values(personas);
  const taken = new Set(people.map((person) => person.loginName));
  let id = 318_840_000_000_000_000n;
  for (const organization of organizations) {
    let missing = organization.share - people.filter((person) => person.organizationId === organization.id).length;
    while (missing > 0) {
      const name = createName(random);
      id += BigInt(integer(random, 40_000_000, 90_000_000_000));
      const person = toUser(String(id), organization, name, chance(random, 0.7));
      if (taken.has(person.loginName)) continue;
      taken.add(person.loginName);
      people.push(person);
      missing--;
    }
  }
  return people;
}

function givenPerson(id: string, organization: Organization, userName: string, displayName: string): ImportedUser {
  return toUser(id, organization, { userName, displayName }, true);
}

function toUser(
  id: string,
  organization: Organization,
  { userName, displayName }: Name,
  hasAvatar: boolean,
): ImportedUser {
  return {
    instanceId: demoInstanceId,
    id,
    organizationId: organization.id,
    userName,
    loginName: `${userName}@${organization.domain}`,
    displayName,
    avatarUrl: hasAvatar ? `https://id.${organization.domain}/avatars/${id}.webp` : "",
    ...plainIdentity,
  };
}
