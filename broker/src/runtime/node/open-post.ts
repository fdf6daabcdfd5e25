import { type LookupAddress, lookup } from 'node:dns';
import * as http from 'node:http';
import * as https from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { isLoopback } from '@agent-ticket/shared/settings.ts';
import { POST_TIMEOUT_MS, type Post, type PostResult } from '../../webhooks/post.ts';

/** IPv4 ranges that are not of the public network (IANA special-purpose registry), and those of clouds' own services. */
const NOT_PUBLIC_4: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];
/** The one range of IPv6 for public hosts; everything beside it is refused: loopback, local, mapped, NAT64, multicast. */
const PUBLIC_6 = ['2000::', 3] as const;
/** Within it: special protocols and tunnels with an IPv4 address inside, documentation. */
const NOT_PUBLIC_6: readonly (readonly [network: string, prefix: number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['2620:4f:8000::', 48],
  ['3fff::', 20],
];

const refused = new BlockList();
for (const [network, prefix] of NOT_PUBLIC_4) refused.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of NOT_PUBLIC_6) refused.addSubnet(network, prefix, 'ipv6');
const public6 = new BlockList();
public6.addSubnet(...PUBLIC_6, 'ipv6');

/** Whether an address is of a public host. False for a text that is no address. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !refused.check(address, 'ipv4');
  return family === 6 && public6.check(address, 'ipv6') && !refused.check(address, 'ipv6');
}

class AddressRefused extends Error {}

type Resolve = (
  hostname: string,
  options: { readonly all: true; readonly family?: number | undefined },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

interface PostOptions {
  /** As `dns.lookup`; a test has its own. */
  readonly resolve?: Resolve;
  readonly isPublic?: (address: string) => boolean;
  readonly timeoutMs?: number;
}

/**
 * {@link Post} that connects to public addresses only. The name is resolved once for each connection, and the connection
 * goes to the address that was checked, so a name that changes its address in between has no effect. One address that is
 * not public makes the name refused.
 *
 * @param isLocalBroker whether names of loopback are allowed, by http as well.
 */
export function openPost(
  isLocalBroker: boolean,
  { resolve = lookup, isPublic = isPublicAddress, timeoutMs = POST_TIMEOUT_MS }: PostOptions = {},
): Post {
  const lookupPublic =
    (allowsAll: boolean): LookupFunction =>
    (hostname, { family, all }, done) => {
      resolve(
        hostname,
        { all: true, family: typeof family === 'number' ? family : 0 },
        (error, addresses) => {
          const [first] = addresses ?? [];
          if (error !== null || first === undefined) return done(error ?? new Error('no address'), '', 0);
          if (!allowsAll && !addresses.every(({ address }) => isPublic(address)))
            return done(new AddressRefused('not a public address'), '', 0);
          if (all === true) done(null, addresses);
          else done(null, first.address, first.family);
        },
      );
    };
  // A pool of its own, so that no connection is reused whose address was not checked.
  const options = { keepAlive: true, maxSockets: 8, maxFreeSockets: 8, timeout: 30_000 };
  const agents = { http: new http.Agent(options), https: new https.Agent(options) };

  return (url, { headers, body }) => {
    const { protocol, hostname } = new URL(url);
    const allowsAll = isLocalBroker && isLoopback(hostname);
    const bare = hostname.replace(/^\[(.*)\]$/, '$1');
    // A literal address is not looked up, so the lookup would not check it.
    if (!allowsAll && (protocol !== 'https:' || (isIP(bare) !== 0 && !isPublic(bare))))
      return Promise.resolve({ fault: 'address_refused' });
    const { request } = protocol === 'http:' ? http : https;
    return new Promise<PostResult>((settle) => {
      const over = AbortSignal.timeout(timeoutMs);
      const sent = request(url, {
        method: 'POST',
        headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
        agent: protocol === 'http:' ? agents.http : agents.https,
        lookup: lookupPublic(allowsAll),
        signal: over,
      });
      sent.on('response', (answer) => {
        settle({ status: answer.statusCode ?? 0 });
        // A short body is read and dropped, so that the connection can serve the next event. A longer one is not read.
        if (Number(answer.headers['content-length'] ?? Number.NaN) <= MAX_DRAINED_BYTES) answer.resume();
        else answer.destroy();
        answer.on('error', () => {});
      });
      sent.on('error', (error) => {
        if (error instanceof AddressRefused) settle({ fault: 'address_refused' });
        else settle({ fault: over.aborted ? 'timeout' : 'unreachable' });
      });
      // An answer that changes the protocol ends the request with neither, and its signal does nothing any more.
      sent.on('close', () => settle({ fault: 'unreachable' }));
      sent.end(body);
    });
  };
}

const MAX_DRAINED_BYTES = 1024;
