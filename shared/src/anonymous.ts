const PREFIX = 'anonymous:';

/** The id of a principal that presented no credential. Nothing can be granted to it, and its sessions do not renew. */
export const anonymousId = (name: string): string => PREFIX + name;

export const isAnonymous = (principal: string): boolean => principal.startsWith(PREFIX);

/** What one subscriber holds of addresses: an IPv4 address, or an IPv6 /64 (RFC 6177 §2). */
export function networkOf(address: string | null): string {
  if (address === null || !address.includes(':') || !URL.canParse(`http://[${address}]`))
    return address ?? '';
  // The URL parser spells an IPv6 address in its one canonical form (WHATWG URL §3.6).
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  // IPv4 written as IPv6 (RFC 4291 §2.5.5.2): the /64 of all of them is one.
  if (canonical.startsWith('::ffff:')) return canonical;
  const [head = '', tail = ''] = canonical.split('::');
  const [front, back] = [head, tail].map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(Math.max(0, 8 - (front?.length ?? 0) - (back?.length ?? 0))).fill('0');
  return [...(front ?? []), ...zeros, ...(back ?? [])].slice(0, 4).join(':');
}
