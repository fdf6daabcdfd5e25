import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { describe, expect, it } from 'vitest';
import { importKeyEncryptionKey, seal, unseal } from './seal.ts';

const LABEL = { kid: 'k'.repeat(43), alg: 'ES256', purpose: 'ticket' };
const bytes = (length: number): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(length));
const kek = await importKeyEncryptionKey(new Uint8Array(32).fill(1));
const otherKek = await importKeyEncryptionKey(new Uint8Array(32).fill(2));
const jwkOf = async (alg: string): Promise<JWK> =>
  exportJWK((await generateKeyPair(alg, { extractable: true })).privateKey);
const privateJwk = await jwkOf('ES256');
const sealed = await seal(kek, LABEL, privateJwk, bytes);

describe('a sealed key', () => {
  it.each(['ES256', 'Ed25519'])('of %s opens to what it was', async (alg) => {
    const jwk = await jwkOf(alg);
    expect(await unseal(kek, LABEL, await seal(kek, LABEL, jwk, bytes))).toEqual(jwk);
  });

  it('shows nothing of the key', () => {
    expect(sealed).toMatch(/^[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+$/);
    for (const member of [privateJwk.d, privateJwk.x, privateJwk.y]) expect(sealed).not.toContain(member);
  });

  it('is another each time, since the nonce is', async () => {
    const again = await seal(kek, LABEL, privateJwk, bytes);
    expect(again).not.toBe(sealed);
    expect(again.split('.')[0]).not.toBe(sealed.split('.')[0]);
  });

  it('does not open with another key-encryption key', async () => {
    expect(await unseal(otherKek, LABEL, sealed)).toBeUndefined();
  });

  it.each<[string, Partial<typeof LABEL>]>([
    ['kid', { kid: 'l'.repeat(43) }],
    ['alg', { alg: 'Ed25519' }],
    ['purpose', { purpose: 'audit' }],
    ['kid, cut', { kid: 'k'.repeat(42) }],
    ['alg, in other letters', { alg: 'es256' }],
    ['border between two labels', { alg: 'ES256","ticket' }],
    ['place of two labels', { alg: 'ticket', purpose: 'ES256' }],
  ])('does not open under another %s', async (_what, other) => {
    expect(await unseal(kek, { ...LABEL, ...other }, sealed)).toBeUndefined();
  });

  it('does not open with any letter changed', async () => {
    const opened: number[] = [];
    for (let at = 0; at < sealed.length; at += 1) {
      const letter = sealed[at] === 'A' ? 'B' : 'A';
      const jwk = await unseal(kek, LABEL, sealed.slice(0, at) + letter + sealed.slice(at + 1));
      if (jwk !== undefined) opened.push(at);
    }
    // The last letter has bits that no byte takes; a change of those alone is no change.
    expect(opened.filter((at) => at < sealed.length - 1)).toEqual([]);
  });

  it.each([
    ['nothing', ''],
    ['a dot', '.'],
    ['a nonce alone', sealed.split('.')[0] ?? ''],
    ['a body alone', `.${sealed.split('.')[1]}`],
    ['words', 'this is no key'],
    ['signs that are not base64url', '!!!!.????'],
    ['its two halves changed over', sealed.split('.').reverse().join('.')],
    ['one byte less', sealed.slice(0, -2)],
    ['a nonce of another length', `AA${sealed}`],
    ['letters that are not ASCII', `${sealed}é`],
  ])('of %s does not open, and throws nothing', async (_what, text) => {
    expect(await unseal(kek, LABEL, text)).toBeUndefined();
  });

  it.each<[string, JWK]>([
    ['a public key', { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }],
    ['a symmetric key', { kty: 'oct', k: 'c2VjcmV0' }],
    ['an RSA key', { kty: 'RSA', n: 'n', e: 'AQAB', d: 'd' }],
    ['no key', {}],
  ])('that holds %s is none', async (_what, jwk) => {
    expect(await unseal(kek, LABEL, await seal(kek, LABEL, jwk, bytes))).toBeUndefined();
  });

  it('opens to the members of a key and no others', async () => {
    const more = { ...privateJwk, key_ops: ['sign'], ext: true, note: 'x' };
    expect(await unseal(kek, LABEL, await seal(kek, LABEL, more, bytes))).toEqual(privateJwk);
  });
});

describe('a key-encryption key', () => {
  it.each([0, 1, 15, 31, 33, 64])('of %i bytes is refused', async (length) => {
    await expect(importKeyEncryptionKey(new Uint8Array(length))).rejects.toThrow();
  });

  it('cannot be read again', () => {
    expect(kek.extractable).toBe(false);
  });
});
