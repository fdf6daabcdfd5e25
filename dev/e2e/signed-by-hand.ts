import { randomUUID } from 'node:crypto';
import { importKeyEncryptionKey, unseal } from '@agent-ticket/broker/src/keys/seal.ts';
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWTPayload,
  SignJWT,
} from 'jose';
import { inject } from 'vitest';
import { ticketKeys } from './stack-queries.ts';

/** Tickets that the broker never issued. */

/** The claims of a ticket for a counter, issued `age` seconds ago for a minute, with the rights of an owner. */
export function ticketClaims(instance: string, age = 0): JWTPayload {
  const issuedAt = Math.floor(Date.now() / 1000) - age;
  return {
    iss: inject('stack').issuer,
    aud: inject('stack').audience,
    sub: 'token:mallory',
    jti: randomUUID(),
    iat: issuedAt,
    nbf: issuedAt,
    exp: issuedAt + 60,
    agent: 'counter',
    instance,
    scope: 'agent:connect agent:state:read agent:rpc:*',
    role: 'owner',
    tier: 'admin',
    transport: 'websocket',
    session_expiry: issuedAt + 3600,
    rev: 0,
  };
}

const sign = (claims: JWTPayload, alg: string, kid: string, key: CryptoKey | Uint8Array): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg, typ: 'agent-ticket+jwt', kid }).sign(key);

/** By a key that the broker does not know. `kid`: the key that the ticket claims to be signed by, if not its own. */
export async function signByUnknownKey(claims: JWTPayload, kid?: string): Promise<string> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  return sign(claims, 'ES256', kid ?? (await calculateJwkThumbprint(await exportJWK(publicKey))), privateKey);
}

/** By the broker's newest key, taken from its database: only the claims can be wrong with it. */
export async function signByBroker(claims: JWTPayload): Promise<string> {
  const [row] = await ticketKeys();
  if (row === undefined) throw new Error('the broker has no signing key yet');
  const kek = Buffer.from(inject('testStack').keyEncryptionKey, 'base64url');
  const jwk = await unseal(await importKeyEncryptionKey(new Uint8Array(kek)), row, row.sealed);
  if (jwk === undefined) throw new Error('the signing key of the broker does not open');
  return sign(claims, row.alg, row.kid, await importJWK(jwk, row.alg));
}
