import { isIPv4, isIPv6, SocketAddress } from "node:net";

/**
 * An IP address in the text form that Zitadel stores: shortest, in small letters, and version 4 if it is one inside of
 * version 6. Undefined if it is none, or has a zone, which means nothing elsewhere.
 */
export function normalizeIp(ip: string): string | undefined {
  if (isIPv4(ip)) return ip;
  if (!isIPv6(ip) || ip.includes("%")) return undefined;
  const { address } = new SocketAddress({ address: ip, family: "ipv6" });
  const embedded = address.replace(/^::ffff:/, "");
  return isIPv4(embedded) ? embedded : address;
}
