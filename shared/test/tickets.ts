import {
  base64url,
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  type JWK,
} from 'jose';
import type { DenialReason } from '../src/denial.ts';
import { KeyId } from '../src/names.ts';
import { err, ok } from '../src/outcome.ts';
import { CONNECT } from '../src/scope.ts';
import { TICKET_TYPE, type TicketAlgorithm, type TicketPayload } from '../src/ticket.ts';
import { verifyTicket } from '../src/verify-ticket.ts';

/** Keys and tickets for tests, made anew in each run. */

export const NOW = 1_700_000_000;
export const ISSUER = 'https://broker.example';
export const AUDIENCE = 'https://agents.example';

export interface Signer {
  readonly alg: TicketAlgorithm;
  readonly kid: KeyId;
  readonly publicKey: CryptoKey;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

export async function makeSigner(alg: TicketAlgorithm): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const members = await exportJWK(publicKey);
  const kid = KeyId.parse(await calculateJwkThumbprint(members));
  return { alg, kid, publicKey, privateKey, jwk: { ...members, alg, kid, use: 'sig' } };
}

/** A ticket issued now for a minute, with every claim that is always there. */
export const PAYLOAD: TicketPayload = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'auth0:tenant.example:auth0|42',
  jti: '5f8f1c9e-3b52-4c0d-9a53-0f1d6a1f7e11',
  iat: NOW,
  nbf: NOW,
  exp: NOW + 60,
  agent: 'counter',
  instance: 'room-1',
  scope: 'agent:connect agent:state:read',
  role: 'viewer',
  tier: 'free',
  transport: 'websocket',
  session_expiry: NOW + 3600,
  rev: 7,
};

export const headerOf = ({ alg, kid }: Signer) => ({ alg, typ: TICKET_TYPE, kid });

/** Signs exactly these bytes, whatever they are: no library looks at header or payload. */
export async function signBytes(
  signer: Signer,
  header: string,
  payload: string | Uint8Array,
): Promise<string> {
  const input = `${base64url.encode(header)}.${base64url.encode(payload)}`;
  const algorithm = signer.alg === 'ES256' ? { name: 'ECDSA', hash: 'SHA-256' } : { name: 'Ed25519' };
  const signature = await crypto.subtle.sign(algorithm, signer.privateKey, new TextEncoder().encode(input));
  return `${input}.${base64url.encode(new Uint8Array(signature))}`;
}

/** A ticket with some claims and header members replaced; `undefined` leaves one out. */
export const signTicket = (signer: Signer, claims: object = {}, header: object = {}): Promise<string> =>
  signBytes(
    signer,
    JSON.stringify({ ...headerOf(signer), ...header }),
    JSON.stringify({ ...PAYLOAD, ...claims }),
  );

/** A ticket with this text as its payload, under the right header. */
export const signPayload = (signer: Signer, payload: string | Uint8Array): Promise<string> =>
  signBytes(signer, JSON.stringify(headerOf(signer)), payload);

type Expected = Parameters<typeof verifyTicket>[1];

/** What a gate expects that knows these signers' keys. */
export const expecting = (signers: readonly Signer[], other: Partial<Expected> = {}): Expected => ({
  issuer: ISSUER,
  audience: AUDIENCE,
  nowSeconds: NOW,
  route: { agent: PAYLOAD.agent, instance: PAYLOAD.instance },
  scope: CONNECT,
  transport: 'websocket',
  findKey: async (kid) => {
    const signer = signers.find((one) => one.kid === kid);
    return signer === undefined ? err('ticket_key_unknown') : ok({ alg: signer.alg, key: signer.publicKey });
  },
  ...other,
});

/** One word for what became of a token. */
export async function verdict(token: string, expected: Expected): Promise<DenialReason | 'accepted'> {
  const outcome = await verifyTicket(token, expected);
  return outcome.ok ? 'accepted' : outcome.denial.reason;
}

/** The three segments of a token. */
export function segments(token: string): [header: string, payload: string, signature: string] {
  const [header = '', payload = '', signature = ''] = token.split('.');
  return [header, payload, signature];
}
