import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { describe, expect, it } from 'vitest';
import { makeSigner } from '../test/tickets.ts';
import { readKeySet, type SetAlgorithm } from './key-set.ts';

const ALL = ['ES256', 'Ed25519', 'RS256'] as const;
const bytes = (value: unknown) =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const read = (keys: unknown[], algorithms: readonly SetAlgorithm[] = ALL) =>
  readKeySet(bytes({ keys }), algorithms);
/** The kids that survive beside a key that is surely good. */
const survivors = async (...keys: unknown[]): Promise<string[]> => [...((await read(keys))?.keys() ?? [])];

const ec = (await makeSigner('ES256')).jwk;
const okp = (await makeSigner('Ed25519')).jwk;
const rsaPair = await generateKeyPair('RS256', { extractable: true });
const rsa: JWK = { ...(await exportJWK(rsaPair.publicKey)), alg: 'RS256', kid: 'rsa', use: 'sig' };
const p384: JWK = {
  ...(await exportJWK((await generateKeyPair('ES384')).publicKey)),
  alg: 'ES384',
  kid: 'p384',
};
const good = { ...ec, kid: 'good' };

/** A modulus of this many bits; nobody asks here whether it has two prime factors. */
const modulus = (bits: number, leadingZeroBytes = 0): string => {
  const digits = new Uint8Array(leadingZeroBytes + Math.ceil(bits / 8)).fill(0xff);
  digits.fill(0, 0, leadingZeroBytes);
  digits[leadingZeroBytes] = 0xff >> ((8 - (bits % 8)) % 8);
  return Buffer.from(digits).toString('base64url');
};

describe('a set', () => {
  it('gives each key under its kid with the one algorithm it may verify', async () => {
    const keys = await read([ec, okp, rsa]);
    expect([...(keys ?? [])].map(([kid, { alg, key }]) => [kid, alg, key.algorithm.name, key.type])).toEqual([
      [ec.kid, 'ES256', 'ECDSA', 'public'],
      [okp.kid, 'Ed25519', 'Ed25519', 'public'],
      ['rsa', 'RS256', 'RSASSA-PKCS1-v1_5', 'public'],
    ]);
    expect([...(keys ?? [])].map(([, { key }]) => key.usages)).toEqual([['verify'], ['verify'], ['verify']]);
  });

  it('gives only keys of the algorithms asked for', async () => {
    const kids = async (algorithms: readonly SetAlgorithm[]) => [
      ...((await read([ec, okp, rsa], algorithms))?.keys() ?? []),
    ];
    expect(await kids(['ES256'])).toEqual([ec.kid]);
    expect(await kids(['RS256'])).toEqual(['rsa']);
    expect(await kids([])).toEqual([]);
  });

  it('may have other members, as the one of Access has', async () => {
    const document = { keys: [good], public_cert: {}, public_certs: [{ kid: 'x', cert: 'y' }] };
    expect([...((await readKeySet(bytes(document), ALL))?.keys() ?? [])]).toEqual(['good']);
  });

  it('may have 100 members and not 101', async () => {
    const members = Array.from({ length: 100 }, (_, index) => ({ ...ec, kid: `k${index}` }));
    expect((await read(members))?.size).toBe(100);
    expect(await read([...members, good])).toBeUndefined();
  });
});

describe('a document that is no set', () => {
  it.each<[string, unknown]>([
    ['nothing', ''],
    ['HTML', '<!doctype html><title>Sign in</title>'],
    ['null', 'null'],
    ['a list of keys without its object', [good]],
    ['a bare key', good],
    ['no keys', { keys: [] }],
    ['keys that are no list', { keys: { 0: good } }],
    ['keys that are null', { keys: null }],
    ['another member', { certs: [good] }],
    ['a set cut short', JSON.stringify({ keys: [good] }).slice(0, -1)],
    ['a set after a byte order mark', `\ufeff${JSON.stringify({ keys: [good] })}`],
    ['an error with status 200', { error: 'unavailable' }],
    ['only a __proto__', '{"__proto__":{"keys":[]}}'],
  ])('%s gives nothing, so that a good set stays', async (_name, document) => {
    expect(await readKeySet(bytes(document), ALL)).toBeUndefined();
  });
});

describe('a key that is odd', () => {
  it.each<[string, unknown]>([
    ['null', null],
    ['text', 'key'],
    ['a list', [ec]],
    ['empty', {}],
    ['without alg', { ...ec, kid: 'odd', alg: undefined }],
    ['with the alg of another key type', { ...ec, kid: 'odd', alg: 'RS256' }],
    ['with a list of algs', { ...ec, kid: 'odd', alg: ['ES256'] }],
    ['with alg in lower case', { ...ec, kid: 'odd', alg: 'es256' }],
    ['with alg none', { ...ec, kid: 'odd', alg: 'none' }],
    ['with the older name of Ed25519', { ...okp, kid: 'odd', alg: 'EdDSA' }],
    ['for PS256', { ...rsa, kid: 'odd', alg: 'PS256' }],
    ['for ES384', p384],
    ['for ES384 under the name ES256', { ...p384, alg: 'ES256' }],
    ['for encryption', { ...ec, kid: 'odd', use: 'enc' }],
    ['without kid', { ...ec, kid: undefined }],
    ['with an empty kid', { ...ec, kid: '' }],
    ['with a kid of 257 characters', { ...ec, kid: 'k'.repeat(257) }],
    ['with a kid that is a number', { ...ec, kid: 7 }],
    ['symmetric', { kty: 'oct', k: 'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', alg: 'HS256', kid: 'odd' }],
    ['symmetric under our alg', { kty: 'oct', k: 'c2VjcmV0', alg: 'ES256', kid: 'odd' }],
    ['off the curve', { ...ec, kid: 'odd', y: ec.x }],
    ['at the point zero', { ...ec, kid: 'odd', x: 'A'.repeat(43), y: 'A'.repeat(43) }],
    ['without a coordinate', { ...ec, kid: 'odd', y: undefined }],
    ['with a short coordinate', { ...ec, kid: 'odd', x: ec.x?.slice(2) }],
    ['with a long coordinate', { ...ec, kid: 'odd', x: `AAAA${ec.x}` }],
    ['with a padded coordinate', { ...ec, kid: 'odd', x: `${ec.x}=` }],
    ['with an empty coordinate', { ...ec, kid: 'odd', x: '' }],
    ['a short Edwards point', { ...okp, kid: 'odd', x: okp.x?.slice(2) }],
    ['of X25519', { ...okp, kid: 'odd', crv: 'X25519' }],
    ['RSA with e = 1', { ...rsa, kid: 'odd', e: 'AQ' }],
    ['RSA with e = 3', { ...rsa, kid: 'odd', e: 'Aw' }],
    ['RSA with e = 65537 in four bytes', { ...rsa, kid: 'odd', e: 'AAEAAQ' }],
    ['RSA of 1,024 bits', { ...rsa, kid: 'odd', n: modulus(1024) }],
    ['RSA of 2,040 bits', { ...rsa, kid: 'odd', n: modulus(2040) }],
    ['RSA of 2,047 bits', { ...rsa, kid: 'odd', n: modulus(2047) }],
    ['RSA of 1,024 bits behind zeroes', { ...rsa, kid: 'odd', n: modulus(1024, 128) }],
    ['RSA without a modulus', { ...rsa, kid: 'odd', n: undefined }],
  ])('%s is skipped, and the good one beside it serves', async (_name, odd) => {
    expect(await read([odd])).toBeUndefined();
    expect(await survivors(odd, good)).toEqual(['good']);
    expect(await survivors(good, odd)).toEqual(['good']);
  });

  it('with operations without verify is skipped', async () => {
    expect(
      await survivors({ ...ec, kid: 'odd', key_ops: ['sign'] }, { ...good, key_ops: ['verify'] }),
    ).toEqual(['good']);
  });

  it('private parts are not imported: what comes out can only verify', async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const keys = await read([{ ...(await exportJWK(privateKey)), alg: 'ES256', kid: 'leaked' }]);
    expect(keys?.get('leaked')?.key).toMatchObject({ type: 'public', usages: ['verify'] });
  });
});

describe('a set whose keys may leave alg out', () => {
  const without = ({ alg: _alg, ...key }: JWK) => key;
  const readForeign = async (keys: unknown[], algorithms: readonly SetAlgorithm[]): Promise<string[][]> =>
    [...((await readKeySet(bytes({ keys }), algorithms, 'optional')) ?? [])].map(([kid, { alg }]) => [
      kid,
      alg,
    ]);
  const plain = [rsa, ec, okp].map(without);

  it.each<[readonly SetAlgorithm[], string[][]]>([
    [
      ['RS256', 'ES256'],
      [
        ['rsa', 'RS256'],
        [ec.kid ?? '', 'ES256'],
      ],
    ],
    [['RS256'], [['rsa', 'RS256']]],
    [['ES256'], [[ec.kid ?? '', 'ES256']]],
  ])('has each key for the one algorithm of its type, out of %s', async (algorithms, expected) => {
    expect(await readForeign(plain, algorithms)).toEqual(expected);
  });

  it.each<[string, unknown]>([
    ['another alg', { ...rsa, alg: 'PS256' }],
    ['an alg that is null', { ...rsa, alg: null }],
    ['another curve', without(p384)],
    ['a short modulus', { ...without(rsa), n: modulus(1024) }],
    ['a symmetric key', { kty: 'oct', k: 'c2VjcmV0', kid: 'odd' }],
    ['a key for encryption', { ...without(rsa), use: 'enc' }],
  ])('skips %s', async (_what, odd) => {
    expect(await readForeign([odd], ['RS256', 'ES256'])).toEqual([]);
  });
});

describe('two keys of one kid', () => {
  it('leave the first, whatever the algorithm of the second', async () => {
    const keys = await read([
      good,
      { ...okp, kid: 'good' },
      { ...(await makeSigner('ES256')).jwk, kid: 'good' },
    ]);
    expect([...(keys ?? [])].map(([kid, { alg }]) => [kid, alg])).toEqual([['good', 'ES256']]);
    const kept = keys?.get('good')?.key;
    expect(kept && (await exportJWK(kept)).x).toBe(ec.x);
  });

  it('leave the usable one where the first is broken', async () => {
    expect(await survivors({ ...ec, kid: 'good', y: ec.x }, good)).toEqual(['good']);
  });

  it.each(['__proto__', 'constructor', 'toString'])('the kid %s is a name like any other', async (kid) => {
    const keys = await read([{ ...ec, kid }]);
    expect([...(keys?.keys() ?? [])]).toEqual([kid]);
    expect((await read([good]))?.get(kid)).toBeUndefined();
  });
});
