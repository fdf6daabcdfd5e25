import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { compactVerify, errors, importJWK, type JWK } from 'jose';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { expecting, makeSigner, verdict } from '../test/tickets.ts';
import { findVectors } from '../test/vectors.ts';
import { readKeySet } from './key-set.ts';
import { isCanonicalCompact } from './own-jws.ts';

const vectors = findVectors(process.env, import.meta.url, existsSync);
const readJson = (path: string): unknown => JSON.parse(readFileSync(new URL(path, vectors), 'utf8'));

const Jwk = z.custom<JWK>((value) => typeof value === 'object' && value !== null);
const Suite = z.object({
  numberOfTests: z.int(),
  testGroups: z.array(
    z.object({
      public: Jwk.optional(),
      private: Jwk.optional(),
      tests: z.array(
        z.object({
          tcId: z.int(),
          jws: z.unknown().optional(),
          jwe: z.unknown().optional(),
          result: z.enum(['valid', 'invalid']),
        }),
      ),
    }),
  ),
});

type Answer = 'accepted' | 'refused';

/** The layer below the claims: spelling, then the signature with the vector's own key and its one algorithm. */
async function judge(jws: string, jwk: JWK): Promise<Answer> {
  if (jwk.alg === undefined || !isCanonicalCompact(jws, 64 * 1024)) return 'refused';
  try {
    await compactVerify(jws, await importJWK(jwk, jwk.alg), { algorithms: [jwk.alg] });
    return 'accepted';
  } catch (error) {
    // A vector's key may be no key at all; in the gate only good keys get this far.
    if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException)
      return 'refused';
    throw error;
  }
}

/** Compares our answers with the labels; the differences must be exactly the overrides. */
function compare(
  rows: { tcId: number; result: 'valid' | 'invalid'; answer: Answer }[],
  overrides: Record<number, string>,
): number {
  const differ = rows.filter(({ result, answer }) => (result === 'valid') !== (answer === 'accepted'));
  const found = Object.fromEntries(differ.map(({ tcId, answer }) => [tcId, answer]));
  const wanted = Object.fromEntries(
    Object.entries(overrides).map(([tcId, why]) => [tcId, why.slice(0, why.indexOf(':'))]),
  );
  expect(found).toEqual(wanted);
  return rows.length - differ.length;
}

const gate = expecting([await makeSigner('ES256'), await makeSigner('Ed25519')]);
const verdicts = (texts: string[]) => Promise.all(texts.map((text) => verdict(text, gate)));

describe.skipIf(vectors === undefined)('Wycheproof', () => {
  const read = (name: string) => {
    const suite = Suite.parse(readJson(`wycheproof/${name}_test.json`));
    const cases = suite.testGroups.flatMap((group) =>
      group.tests.map((test) => ({ ...test, jwk: group.public ?? group.private ?? { kty: 'none' } })),
    );
    expect(cases).toHaveLength(suite.numberOfTests);
    return cases;
  };

  it('signatures: 401 cases, as labelled but for the overrides', async () => {
    const rows = await Promise.all(
      read('json_web_signature').map(async ({ jws, jwk, ...rest }) => ({
        ...rest,
        answer: await judge(z.string().parse(jws), jwk),
      })),
    );
    const mismatch = 'refused: the key says PS256 and the header PS384, and the key decides';
    const misspelt = 'refused: the key says ES521, an algorithm that there is not';
    const twin = 'accepted: byte for byte the text of case 357, which is labelled valid';
    const alphabet = 'refused: holds a question mark, which is not base64url';
    const empty = 'refused: has an empty payload, in which there can be no claims';
    const asLabelled = compare(rows, {
      ...{ 346: mismatch, 350: mismatch, 347: misspelt, 351: misspelt, 367: twin, 370: twin },
      ...{ 372: alphabet, 373: alphabet },
      ...{ 259: empty, 264: empty, 268: empty, 272: empty, 320: empty, 325: empty },
    });
    expect([rows.length, asLabelled]).toEqual([401, 387]);
    console.info('Wycheproof JWS: 401 cases, 387 as labelled, 14 overridden');
  });

  it('signatures: not one of the 401 is a ticket, and none throws', async () => {
    const refused = await verdicts(read('json_web_signature').map(({ jws }) => z.string().parse(jws)));
    expect(refused).toHaveLength(401);
    expect(refused).not.toContain('accepted');
    console.info('Wycheproof JWS as tickets: 401 cases, all refused');
  });

  it('crypto and encryption: not one of the 222 is a ticket, and none throws', async () => {
    const texts = ['json_web_crypto', 'json_web_encryption']
      .flatMap(read)
      .map(({ jws, jwe }) => jws ?? jwe ?? '')
      .map((text) => (typeof text === 'string' ? text : JSON.stringify(text)));
    const refused = await verdicts(texts);
    expect(refused).toHaveLength(83 + 139);
    expect(new Set(refused)).toEqual(new Set(['ticket_malformed', 'ticket_header_invalid']));
    console.info('Wycheproof crypto and JWE as tickets: 222 cases, all refused');
  });

  it('keys: 26 cases through a key set, as labelled but for the overrides', async () => {
    const rows = await Promise.all(
      read('json_web_key').map(async ({ jws, jwk, ...rest }) => {
        const text = z.string().parse(jws);
        const document = new TextEncoder().encode(JSON.stringify('keys' in jwk ? jwk : { keys: [jwk] }));
        const set = await readKeySet(document, ['ES256', 'Ed25519', 'RS256']);
        const header: unknown = JSON.parse(atob(text.split('.')[0] ?? ''));
        const found = set?.get(z.object({ kid: z.string() }).parse(header).kid);
        if (found === undefined) return { ...rest, answer: 'refused' as const };
        const good = isCanonicalCompact(text);
        await compactVerify(text, found.key, { algorithms: [found.alg] });
        return { ...rest, answer: good ? ('accepted' as const) : ('refused' as const) };
      }),
    );
    const symmetric = 'refused: a symmetric key is never taken from a set';
    const asLabelled = compare(rows, {
      ...{ 2: symmetric, 13: symmetric, 14: symmetric, 15: symmetric },
      7: 'accepted: a modulus with the ROCA weakness looks like any other',
    });
    expect([rows.length, asLabelled]).toEqual([26, 21]);
    console.info('Wycheproof JWK: 26 cases, 21 as labelled, 5 overridden');
  });
});

describe.skipIf(vectors === undefined)('the JOSE cookbook', () => {
  const Output = z.object({ compact: z.string().optional(), json: z.unknown(), json_flat: z.unknown() });
  const Example = z.object({ input: z.looseObject({ key: z.unknown(), alg: z.unknown() }), output: Output });
  const names =
    vectors === undefined ? [] : readdirSync(new URL('ietf-jose-cookbook/', vectors), { recursive: true });
  const files = names.map(String).filter((name) => name.endsWith('.json'));
  const examples = files.flatMap((name) => {
    const parsed = Example.safeParse(readJson(`ietf-jose-cookbook/${name}`));
    return parsed.success ? [{ name, ...parsed.data }] : [];
  });

  it('every compact signature with its payload verifies below the claims', async () => {
    const signed = examples.filter(({ name }) => /^jws\/4_[1-4]|^curve25519\/jws/.test(name));
    const answers = signed.map(({ input, output }) => {
      const { kty, crv, x, y, n, e, k } = Jwk.parse(input.key);
      const jwk: JWK = JSON.parse(JSON.stringify({ kty, crv, x, y, n, e, k, alg: input.alg }));
      return judge(output.compact ?? '', jwk);
    });
    expect(await Promise.all(answers)).toEqual(['accepted', 'accepted', 'accepted', 'accepted', 'accepted']);
    console.info('JOSE cookbook: 5 compact JWS verified');
  });

  it('none of the 32 files holds a ticket in any serialisation, and none throws', async () => {
    const texts = files.flatMap((name) => {
      const content = readJson(`ietf-jose-cookbook/${name}`);
      const output = Example.safeParse(content).data?.output;
      const nested = z.object({ encrypt: z.object({ output: Output }) }).safeParse(content).data
        ?.encrypt.output;
      const forms = Object.values(output ?? nested ?? { content });
      return forms.map((form) => (typeof form === 'string' ? form : JSON.stringify(form ?? null)));
    });
    const refused = await verdicts(texts);
    expect(files).toHaveLength(32);
    expect(new Set(refused)).toEqual(new Set(['ticket_malformed', 'ticket_header_invalid']));
    console.info(`JOSE cookbook as tickets: 32 files, ${texts.length} texts, all refused`);
  });

  it('none of its keys is accepted unchanged, since none names an accepted algorithm', async () => {
    const keys = files
      .filter((name) => name.startsWith('jwk/'))
      .map((name) => readJson(`ietf-jose-cookbook/${name}`));
    const document = new TextEncoder().encode(JSON.stringify({ keys }));
    expect(keys).toHaveLength(6);
    expect(await readKeySet(document, ['ES256', 'Ed25519', 'RS256'])).toBeUndefined();
  });
});
