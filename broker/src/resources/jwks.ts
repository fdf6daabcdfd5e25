import { err, ok } from '@agent-ticket/shared/outcome.ts';
import type { Handler } from '../http/call.ts';
import type { Keyring } from '../keys/keyring.ts';
import { JWKS_MAX_AGE_SECONDS } from '../keys/schedule.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

/** A JWK Set (RFC 7517 §5), public members only, with the lifetime that the publish lead is computed from. */
const setRoute =
  (keyring: Keyring): Handler =>
  async ({ now, request }) => {
    const keys = (await keyring.published(now)).map(({ material }) => material.publicJwk);
    // An empty set would be believed for as long as a cache keeps it.
    if (keys.length === 0) return { outcome: err('signing_key_missing', { retryAfter: 5 }) };
    // Thumbprints name the keys completely, so they name the set.
    const etag = `"${keys.map((key) => key.kid).join('.')}"`;
    const headers = { 'cache-control': `public, max-age=${JWKS_MAX_AGE_SECONDS}`, etag };
    const tags = (request.headers.get('if-none-match') ?? '')
      .split(',')
      .map((tag) => tag.trim().replace(/^W\//, ''));
    const known = tags.includes(etag) || tags.includes('*');
    return { outcome: ok(known ? { status: 304, headers } : { status: 200, body: { keys }, headers }) };
  };

/** `GET /.well-known/jwks.json`: pending, active and retiring ticket keys. */
export const jwksRoute = (ports: BrokerPorts): Handler => setRoute(ports.keyring);

/** `GET /.well-known/audit-jwks.json`: every audit key that was not revoked, since what it signed is read for years. */
export const auditJwksRoute = (ports: BrokerPorts): Handler => setRoute(ports.auditKeyring);
