import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { findVectors } from '../test/vectors.ts';

/** The signature checks of the runtime under us, for the three algorithms that we let keys have. */

const vectors = findVectors(process.env, import.meta.url, existsSync);
const bytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

const Suite = z.object({
  numberOfTests: z.int(),
  testGroups: z.array(
    z.object({
      publicKeyDer: z.string(),
      tests: z.array(
        z.object({ msg: z.string(), sig: z.string(), result: z.enum(['valid', 'invalid', 'acceptable']) }),
      ),
    }),
  ),
});

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };

async function run(name: string, algorithm: { name: string }) {
  const content: unknown = JSON.parse(readFileSync(new URL(`wycheproof/${name}_test.json`, vectors), 'utf8'));
  const suite = Suite.parse(content);
  const rows = await Promise.all(
    suite.testGroups.map(async ({ publicKeyDer, tests }) => {
      const key = await crypto.subtle.importKey('spki', bytes(publicKeyDer), algorithm, false, ['verify']);
      const check = async ({ msg, sig, result }: (typeof tests)[number]) => ({
        result,
        holds: await crypto.subtle.verify(algorithm, key, bytes(sig), bytes(msg)),
      });
      return Promise.all(tests.map(check));
    }),
  );
  expect(rows.flat()).toHaveLength(suite.numberOfTests);
  return rows.flat();
}

describe.skipIf(vectors === undefined)('Wycheproof primitives', () => {
  it.each([
    ['ecdsa_secp256r1_sha256_p1363', ecdsa, 262],
    ['ed25519', { name: 'Ed25519' }, 151],
    ['rsa_signature_2048_sha256', rsa, 259],
    ['rsa_signature_3072_sha256', rsa, 259],
  ])('%s is checked as labelled', async (name, algorithm, count) => {
    const rows = await run(name, algorithm);
    const wrong = rows.filter(
      ({ result, holds }) => result !== 'acceptable' && (result === 'valid') !== holds,
    );
    expect([rows.length, wrong]).toEqual([count, []]);
    console.info(`Wycheproof ${name}: ${count} cases, none wrong`);
  });

  it('no signature in DER passes for a raw one', async () => {
    const rows = await run('ecdsa_secp256r1_sha256', ecdsa);
    expect([rows.length, rows.filter(({ holds }) => holds)]).toEqual([484, []]);
    console.info('Wycheproof ecdsa_secp256r1_sha256 (DER): 484 cases, all refused');
  });
});
