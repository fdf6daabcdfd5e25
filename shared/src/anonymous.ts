const PREFIX = 'anonymous:';

/** The id of a principal that presented no credential. Nothing can be granted to it, and its sessions do not renew. */
export const anonymousId = (name: string): string => PREFIX + name;

export const isAnonymous = (principal: string): boolean => principal.startsWith(PREFIX);

/** One key per IPv4 address and per IPv6 /64, which is what one subscriber holds (RFC 6177 §2). */
export function addressKey(address: string | null): string {
  if (address === null || address === '') return 'unknown';
  if (!address.includes(':')) return address;
  // The URL parser spells an IPv6 address in its one canonical form (WHATWG URL §3.6).
  const canonical = URL.canParse(`http://[${address}]`)
    ? new URL(`http://[${address}]`).hostname.slice(1, -1)
    : address;
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (mapped !== null) return ipv4Of(mapped.slice(1).map((group) => Number.parseInt(group, 16)));
  const [head = '', tail] = canonical.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros =
    tail === undefined ? [] : Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0');
  return `${[...front, ...zeros, ...back].slice(0, 4).join(':')}::/64`;
}

/** An IPv4 address written as IPv6 (RFC 4291 §2.5.5.2) is the IPv4 address. */
const ipv4Of = (groups: readonly number[]): string =>
  groups.flatMap((group) => [group >> 8, group & 255]).join('.');
