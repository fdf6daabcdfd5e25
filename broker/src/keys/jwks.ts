import { allow, deny } from '@agent-ticket/shared/outcome.ts';
import type { Handler } from '../http/call.ts';
import type { BrokerPorts } from '../ports.ts';
import { JWKS_MAX_AGE_SECONDS } from './schedule.ts';

/** `GET /.well-known/jwks.json` (RFC 7517 §5): pending, active and retiring ticket keys, public members only. */
export const jwksRoute =
  (ports: BrokerPorts): Handler =>
  async ({ now, request }) => {
    const keys = (await ports.keyring.current(now)).map(({ material }) => material.publicJwk);
    // An empty set would be believed for as long as a cache keeps it.
    if (keys.length === 0) return { outcome: deny('signing_key_missing', { retryAfter: 5 }) };
    // Thumbprints name the keys completely, so they name the set.
    const etag = `"${keys.map((key) => key.kid).join('.')}"`;
    const headers = { 'cache-control': `public, max-age=${JWKS_MAX_AGE_SECONDS}`, etag };
    const tags = (request.headers.get('if-none-match') ?? '')
      .split(',')
      .map((tag) => tag.trim().replace(/^W\//, ''));
    const known = tags.includes(etag) || tags.includes('*');
    return { outcome: allow(known ? { status: 304, headers } : { status: 200, body: { keys }, headers }) };
  };
