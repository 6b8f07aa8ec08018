import type { ImportedUser } from "../sessions/bulk.ts";
import { type Organization, organizations } from "./organizations.ts";
import { chance, hex, integer, pick, type Random } from "./random.ts";
import { createApp, createDesktopBrowser, createPhoneBrowser, type UserAgent } from "./user-agents.ts";

/** A browser or an app, and who signs in there. */
export interface Device {
  fingerprintId: string;
  userAgent: UserAgent;
  /** The value of its `Accept-Language` header. */
  languages: string;
  /** The addresses it is seen at. */
  ips: readonly string[];
  isApp: boolean;
  accounts: readonly ImportedUser[];
  organization: Organization;
  /** How often someone signs in there, in relation to the other devices. */
  usage: number;
}

const sharedBrowserCount = 30;
const foreignLanguages = ["en-US,en;q=0.9", "en-GB,en;q=0.9", "fr-CH,fr;q=0.9,en;q=0.7", "ja,en-US;q=0.8,en;q=0.6"];
// Documentation ranges, which nobody has. @see RFC 5737, RFC 3849
const ipv4Networks = ["192.0.2", "198.51.100", "203.0.113"];
const ipv6Network = "2001:db8";

/** Each person's own browsers, phones and apps, one of them at least, and browsers that two to four people share. */
export function createDevices(random: Random, people: readonly ImportedUser[]): Device[] {
  const own = people.flatMap((person) => {
    const browsers = chance(random, 0.8) ? [createBrowser(random, [person])] : [];
    const phones = chance(random, 0.35) ? [createPhone(random, person)] : [];
    const apps = chance(random, 0.6) || browsers.length + phones.length === 0 ? [createAppDevice(random, person)] : [];
    return [...browsers, ...phones, ...apps];
  });
  const shared = Array.from({ length: sharedBrowserCount }, () => {
    const { organizationId } = pick(random, people);
    const colleagues = people.filter((person) => person.organizationId === organizationId);
    const wanted = integer(random, 2, 4);
    const accounts = new Set<ImportedUser>();
    while (accounts.size < wanted) accounts.add(pick(random, colleagues));
    return createBrowser(random, [...accounts]);
  });
  return [...own, ...shared];
}

/** A browser on a desk in which these people sign in, the first one's organization being its place. */
export function createBrowser(random: Random, accounts: readonly ImportedUser[]): Device {
  return createDevice(random, accounts, createDesktopBrowser(random), false);
}

function createPhone(random: Random, person: ImportedUser): Device {
  return createDevice(random, [person], createPhoneBrowser(random), false);
}

function createAppDevice(random: Random, person: ImportedUser): Device {
  return createDevice(random, [person], createApp(random, organizationOf([person])), true);
}

function createDevice(random: Random, accounts: readonly ImportedUser[], userAgent: UserAgent, isApp: boolean): Device {
  const organization = organizationOf(accounts);
  return {
    fingerprintId: createUuid(random),
    userAgent,
    languages: chance(random, 0.8) ? organization.languages : pick(random, foreignLanguages),
    ips: Array.from({ length: integer(random, 1, 3) }, () => createIp(random)),
    isApp,
    accounts,
    organization,
    // A few are in use all the time, and a shared one by all of its people.
    usage: (0.1 + random() ** 2) * accounts.length,
  };
}

function organizationOf([first]: readonly ImportedUser[]): Organization {
  const found = organizations.find((organization) => organization.id === first?.organizationId);
  if (found === undefined) throw new Error("the device belongs to nobody");
  return found;
}

// RFC 9562, version 4.
function createUuid(random: Random): string {
  return `${hex(random, 8)}-${hex(random, 4)}-4${hex(random, 3)}-${pick(random, ["8", "9", "a", "b"])}${hex(random, 3)}-${hex(random, 12)}`;
}

function createIp(random: Random): string {
  if (chance(random, 0.6)) return `${pick(random, ipv4Networks)}.${integer(random, 1, 254)}`;
  // No group is 0, so that this is the canonical spelling. @see RFC 5952
  const groups = Array.from({ length: 6 }, () => integer(random, 1, 0xffff).toString(16));
  return [ipv6Network, ...groups].join(":");
}
