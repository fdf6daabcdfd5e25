import { env } from 'cloudflare:workers';
import { base64url, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import { importKeyEncryptionKey, seal } from '../src/keys/seal.ts';
import { startBroker } from './broker.ts';
import { COUNTER, call, LOBBY, mint, refusal, ticketOf } from './call.ts';
import { forgetKeys } from './databases.ts';
import { askToRotate, insertKeyRow, type KeyRow, keyRows, listKeys, publishedKids, rotate } from './keys.ts';
import { SETTINGS } from './settings.ts';
import { headerOf, publishedKeys, verdict } from './tickets.ts';
import { makeToken } from './tokens.ts';

/** What somebody can do who writes to the database and has neither key-encryption key nor broker. */

beforeEach(forgetKeys);

const bytes = (length: number): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(length));
const kekOf = (text: string) => importKeyEncryptionKey(new Uint8Array(base64url.decode(text)));
const OURS = SETTINGS.KEK;
const THEIRS = 'key-encryption-key-of-somebody-else-012345A';

async function makePair(alg: 'ES256' | 'Ed25519' = 'ES256'): Promise<{ kid: string; jwk: JWK }> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { kid: await calculateJwkThumbprint(jwk), jwk };
}

/** A row with a ciphertext made under one label and shown under another. */
async function sealed(kek: string, label: { kid?: string; alg?: string; purpose?: string } = {}) {
  const { kid, jwk } = await makePair();
  const text = await seal(await kekOf(kek), { kid, alg: 'ES256', purpose: 'ticket', ...label }, jwk, bytes);
  return { kid, sealed: text };
}

/** The first key of a broker that runs, and its row. */
async function firstKey(): Promise<KeyRow> {
  ticketOf(await mint(undefined, LOBBY, { front: startBroker().front }));
  const [row] = await keyRows();
  if (row === undefined) throw new Error('no key was made');
  return row;
}

/** Rows as somebody may write them. The first one shows that the way of writing them is the right one. */
const FORGERIES: readonly [
  string,
  (own: KeyRow) => Promise<Partial<KeyRow> & { kid: string; sealed: string }>,
][] = [
  ['a key under another key-encryption key', () => sealed(THEIRS)],
  [
    'our own ciphertext under another name',
    async (own) => ({ kid: (await makePair()).kid, sealed: own.sealed }),
  ],
  ['a ciphertext of another purpose', () => sealed(OURS, { purpose: 'audit' })],
  ['a ciphertext of another algorithm', () => sealed(OURS, { alg: 'Ed25519' })],
  ['a ciphertext of another name', () => sealed(OURS, { kid: 'x'.repeat(43) })],
  [
    'a key that is not the one of the name',
    async () => {
      const label = { kid: (await makePair()).kid, alg: 'ES256', purpose: 'ticket' };
      return { kid: label.kid, sealed: await seal(await kekOf(OURS), label, (await makePair()).jwk, bytes) };
    },
  ],
  [
    'a public key alone',
    async () => {
      const { kid, jwk } = await makePair();
      const { d: _, ...open } = jwk;
      return {
        kid,
        sealed: await seal(await kekOf(OURS), { kid, alg: 'ES256', purpose: 'ticket' }, open, bytes),
      };
    },
  ],
  [
    'a private key in the open',
    async () => {
      const { kid, jwk } = await makePair();
      return { kid, sealed: JSON.stringify(jwk) };
    },
  ],
  ['nothing', async () => ({ kid: (await makePair()).kid, sealed: '' })],
  ['a dot', async () => ({ kid: (await makePair()).kid, sealed: '.' })],
  ['words', async () => ({ kid: (await makePair()).kid, sealed: 'not base64.!!!' })],
  [
    'a nonce that is too short',
    async (own) => ({ kid: (await makePair()).kid, sealed: own.sealed.slice(8) }),
  ],
  ['one bit less', async (own) => ({ kid: (await makePair()).kid, sealed: own.sealed.slice(0, -1) })],
];

describe('a row that was written by hand', () => {
  it('is published when it is sealed with our key, so that these tests mean something', async () => {
    await firstKey();
    const row = await sealed(OURS);
    await insertKeyRow(row);
    expect(await publishedKids(startBroker().front)).toContain(row.kid);
  });

  it.each(FORGERIES)('with %s is never published and never signs', async (_what, forge) => {
    const own = await firstKey();
    await insertKeyRow(await forge(own));
    const { front } = startBroker();
    expect(await publishedKids(front)).toEqual([own.kid]);
    expect((await listKeys(front)).map(({ kid }) => kid)).toEqual([own.kid]);
    const ticket = ticketOf(await mint((await makeToken()).pair, COUNTER, { front }));
    expect(headerOf(ticket).kid).toBe(own.kid);
    expect(await verdict(ticket, await publishedKeys(front))).toBe('accepted');
  });

  it('does not pass for the key that a rotation replaces', async () => {
    const own = await firstKey();
    await insertKeyRow(await sealed(THEIRS));
    const { front } = startBroker();
    const { kid, previous } = await rotate(front, { activate: 'now' });
    expect(previous.kid).toBe(own.kid);
    expect(await publishedKids(front)).toEqual([kid, own.kid]);
  });

  it('is no key to begin with: there is none, and none is made beside it', async () => {
    await insertKeyRow({ ...(await sealed(THEIRS)), generation: 1 });
    const { front } = startBroker();
    expect(refusal(await mint(undefined, LOBBY, { front }))).toBe('503 UNAVAILABLE');
    expect(await keyRows()).toHaveLength(1);
  });
});

describe('a row that was changed by hand', () => {
  it.each([
    ['its name', "kid = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'"],
    ['its algorithm', "alg = 'Ed25519'"],
    ['its algorithm to one that signs nothing', "alg = 'none'"],
    ['its algorithm to one of passwords', "alg = 'HS256'"],
    ['its ciphertext', "sealed = replace(sealed, '.', 'A.')"],
    ['its nonce', "sealed = 'AAAAAAAAAAAAAAAA' || substr(sealed, 17)"],
  ])('in %s no longer opens: no ticket, no published key, and no new key', async (_what, change) => {
    await firstKey();
    await env.CONTROL.prepare(`UPDATE signing_keys SET ${change}`).run();
    const before = await keyRows();
    const { front } = startBroker();
    expect(refusal(await mint(undefined, LOBBY, { front }))).toBe('503 UNAVAILABLE');
    const published = await call('/.well-known/jwks.json', { front });
    expect([200, 503]).toContain(published.status);
    expect(published.text).not.toContain('"kty"');
    expect(await keyRows()).toEqual(before);
  });

  it('into one for the audit log is no ticket key any more', async () => {
    const own = await firstKey();
    await env.CONTROL.prepare("UPDATE signing_keys SET purpose = 'audit'").run();
    const { front } = startBroker();
    expect(await publishedKids(front)).not.toContain(own.kid);
  });

  it('into a revoked one is out of the set and signs nothing', async () => {
    const own = await firstKey();
    await env.CONTROL.prepare('UPDATE signing_keys SET revoked_at = created_at').run();
    const { front } = startBroker();
    expect(refusal(await mint(undefined, LOBBY, { front }))).toBe('503 UNAVAILABLE');
    const published = await call('/.well-known/jwks.json', { front });
    expect(published.text).not.toContain(own.kid);
    expect(await keyRows()).toHaveLength(1);
  });
});

describe('a rotation with a wrong key-encryption key', () => {
  it.each(['now', 'scheduled'])('(%s) makes no key that nobody else could open', async (activate) => {
    const own = await firstKey();
    const wrong = startBroker({ settings: { KEK: THEIRS } });
    expect(refusal(await askToRotate(wrong.front, { activate }))).toBe('503 UNAVAILABLE');
    expect(await keyRows()).toHaveLength(1);
    const ticket = ticketOf(await mint(undefined, LOBBY, { front: startBroker().front }));
    expect(headerOf(ticket).kid).toBe(own.kid);
  });
});
