import { type KeySet, readKeySet } from '@agent-ticket/shared/key-set.ts';
import { KEY_SET } from '@agent-ticket/shared/limits.ts';
import { readBounded } from '@agent-ticket/shared/read-bounded.ts';
import { createRemoteKeys } from '@agent-ticket/shared/remote-keys.ts';
import { BaseUrl } from '@agent-ticket/shared/settings.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import * as z from 'zod';
import type { ClaimMatch } from './claim-rules.ts';
import type { ForeignAlgorithm, IssuerWithKeys, TokenIssuer } from './foreign-jwt.ts';

/** An issuer that an operator registered with its keys. */
interface RegisteredIssuer extends TokenIssuer {
  readonly algorithms: readonly ForeignAlgorithm[];
  /** Where its keys come from. */
  readonly keys: { readonly set: object } | { readonly url: string } | 'discovery';
}

export interface WorkloadIssuer extends RegisteredIssuer {
  readonly name: string;
  readonly match: readonly ClaimMatch[];
  readonly singleUse: boolean;
}

/** A transmitter of security events. Its `namespace` is that of the people whom it may sign out. */
export interface CaepTransmitter extends RegisteredIssuer {
  /** `iss` of its subjects. */
  readonly subjects: string;
}

interface KeyPorts {
  readonly fetch: (url: string, init: { signal: AbortSignal }) => Promise<Response>;
  readonly clock: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

/** The keys of one registered issuer: pinned, or fetched and cached for it alone. */
export function registeredKeys<Issuer extends RegisteredIssuer>(
  issuer: Issuer,
  ports: KeyPorts,
): IssuerWithKeys<Issuer> {
  const { keys, algorithms } = issuer;
  if (keys !== 'discovery' && 'set' in keys) return { issuer, keys: pinnedKeys(keys.set, algorithms) };
  let address = keys === 'discovery' ? undefined : keys.url;
  const fetchSet = async (signal: AbortSignal): Promise<Response> => {
    address ??= await discover(issuer.issuer, ports, signal);
    return ports.fetch(address, { signal });
  };
  const { clock, sleep } = ports;
  return { issuer, keys: createRemoteKeys({ fetchSet, clock, sleep }, { algorithms, alg: 'optional' }) };
}

function pinnedKeys(set: object, algorithms: readonly ForeignAlgorithm[]) {
  const document = new TextEncoder().encode(JSON.stringify(set));
  let held: KeySet<ForeignAlgorithm> | undefined;
  return {
    async find(kid: string) {
      held ??= await readKeySet(document, algorithms, 'optional');
      return held?.get(kid) ?? ('unknown' as const);
    },
    isUnusable: () => false,
  };
}

const Discovery = z.object({ issuer: z.string(), jwks_uri: BaseUrl });

/**
 * Where a registered issuer says that its keys are (OpenID Connect Discovery 1.0 §4). Only ever asked of an address
 * out of our own configuration, never of one in a token. Throws where the document is not this issuer's, which
 * counts as a failed fetch of the keys.
 */
async function discover(issuer: string, { fetch }: KeyPorts, signal: AbortSignal): Promise<string> {
  const answer = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, { signal });
  const body = answer.status === 200 ? await readBounded(answer, KEY_SET.maxBytes) : undefined;
  const document = body === undefined ? undefined : Discovery.safeParse(readStrictJson(body));
  if (document?.success !== true || document.data.issuer !== issuer)
    throw new Error('the discovery document is not of this issuer');
  return document.data.jwks_uri;
}
