import { isLoopback } from '@agent-ticket/shared/settings.ts';
import type { BrokerConfig } from '../config/config.ts';

/** Whether the broker serves its own machine alone, so that it may send to it. */
export const isLocal = ({ issuer }: Pick<BrokerConfig, 'issuer'>): boolean =>
  isLoopback(new URL(issuer).hostname);

/** The last labels of names that are of no public host (RFC 6761, RFC 6762, RFC 8375, and by custom). */
const PRIVATE_NAMES = /(^|\.)(localhost|local|internal|intranet|lan|home|corp|home\.arpa)\.?$/;

/**
 * Why a receiver cannot have this address, for the operator; `undefined` where it can. A name says nothing about the
 * addresses that it leads to: on Node these are judged at each connection, on Workers by the platform.
 */
export function receiverUrlFault(text: string, isLocalBroker: boolean): string | undefined {
  if (!URL.canParse(text)) return 'it is not a URL';
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username !== '' || password !== '' || hash !== '' || /[#@]/.test(text.split('?')[0] ?? ''))
    return 'it must not have a user or a fragment';
  if (isLocalBroker && isLoopback(hostname))
    return /^https?:$/.test(protocol) ? undefined : 'it must be http or https';
  if (protocol !== 'https:') return 'it must be https';
  // The parser turns every other spelling of an IPv4 address into four numbers.
  if (hostname.startsWith('[') || /^[\d.]+$/.test(hostname)) return 'it must have a name, and not an address';
  if (!hostname.includes('.') || PRIVATE_NAMES.test(hostname)) return 'the name is of no public host';
  return undefined;
}
