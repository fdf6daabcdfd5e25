import * as z from 'zod';

/**
 * The canonical spelling of an IP address, or `undefined` for any other text: IPv4 as four decimal numbers, IPv6
 * canonical and without zone, IPv4 in IPv6 (RFC 4291 §2.5.5.2) as IPv4. A port, which some proxies add, is removed.
 */
export function plainAddress(text: string): string | undefined {
  const bare = text
    .trim()
    .replace(/^\[(.*)\](:\d{1,5})?$/, '$1')
    .replace(/^([\d.]+):\d{1,5}$/, '$1')
    .replace(/%.*$/, '');
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(bare)) {
    const parts = bare.split('.').map(Number);
    return parts.every((part) => part <= 255) ? parts.join('.') : undefined;
  }
  if (!/^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(bare) || !URL.canParse(`http://[${bare}]`)) return undefined;
  const canonical = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (mapped === null) return canonical;
  const groups = mapped.slice(1).map((group) => Number.parseInt(group, 16));
  return groups.flatMap((group) => [group >> 8, group & 255]).join('.');
}

/** An address of a request, read in that spelling: the one in which platforms say it. */
export const IpAddress = z.union([z.ipv4(), z.ipv6()]).transform((text, ctx): string => {
  const plain = plainAddress(text);
  if (plain !== undefined) return plain;
  ctx.addIssue({ code: 'custom', message: 'no address' });
  return z.NEVER;
});

/**
 * The caller's address: the peer of the socket, or, where the peer is a trusted proxy, the right-most hop of
 * `X-Forwarded-For` that is not one. Hops to the left of it are untrusted: the caller can write them. A hop that is no
 * address ends the search at the proxy that wrote it.
 *
 * @param peer address of the socket's other end.
 * @param forwardedFor the header's value, several headers joined by commas in their order.
 * @param isTrusted whether an address, in the spelling of {@link plainAddress}, is one of our proxies.
 */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: string | null,
  isTrusted: (address: string) => boolean,
): string | null {
  let address = peer === undefined ? undefined : plainAddress(peer);
  if (address === undefined) return null;
  const hops = forwardedFor === null ? [] : forwardedFor.split(',');
  while (isTrusted(address)) {
    const hop = plainAddress(hops.pop() ?? '');
    if (hop === undefined) return address;
    address = hop;
  }
  return address;
}

/**
 * Whether the caller used TLS, as the proxy at the other end of the socket states it. The last of several values is
 * that proxy's; a caller can write the earlier ones. False without a trusted proxy, since a broker on Node speaks
 * only HTTP.
 *
 * @param peer address of the socket's other end.
 * @param forwardedProto value of `X-Forwarded-Proto`, several headers joined by commas in their order.
 * @param isTrusted as for {@link clientAddress}.
 */
export function isForwardedTls(
  peer: string | undefined,
  forwardedProto: string | null,
  isTrusted: (address: string) => boolean,
): boolean {
  const address = peer === undefined ? undefined : plainAddress(peer);
  if (address === undefined || !isTrusted(address)) return false;
  return forwardedProto?.split(',').at(-1)?.trim().toLowerCase() === 'https';
}
