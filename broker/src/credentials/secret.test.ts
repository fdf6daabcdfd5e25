import { createRandom } from '@agent-ticket/shared/test/random.ts';
import { describe, expect, it } from 'vitest';
import {
  digestSecret,
  isWellFormed,
  looksLikeSecret,
  makeSecret,
  makeTokenId,
  randomBase62,
  tokenIdIn,
} from './secret.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const seeded = (seed: number) => {
  const random = createRandom(seed);
  return (length: number) => Uint8Array.from({ length }, () => random.below(256));
};
const TOKEN = makeTokenId(seeded(1));
const secrets = Array.from({ length: 500 }, (_, seed) => makeSecret(TOKEN, seeded(seed)));
const [example = ''] = secrets;
const pepper = (fill: number) => new Uint8Array(32).fill(fill);

describe('a secret', () => {
  it('is atk_, the token that it names, _ and 49 letters or digits, and well-formed', () => {
    expect(TOKEN).toMatch(/^svc_[0-9A-Za-z]{22}$/);
    for (const secret of secrets) {
      expect(secret).toMatch(/^atk_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}$/);
      expect(isWellFormed(secret)).toBe(true);
      expect(tokenIdIn(secret)).toBe(TOKEN);
    }
    expect(new Set(secrets).size).toBe(500);
  });

  it('asks for enough randomness: 43 characters, 256 bits', () => {
    let asked = 0;
    makeSecret(TOKEN, (length) => {
      asked += length;
      return new Uint8Array(length).fill(7);
    });
    expect(asked).toBeGreaterThanOrEqual(43);
    expect(Math.log2(62) * 43).toBeGreaterThanOrEqual(256);
  });

  it('looks like one by its first letters, typo or not', () => {
    expect(looksLikeSecret(example)).toBe(true);
    expect(looksLikeSecret('atk_')).toBe(true);
    for (const other of ['', 'atk', 'ATK_x', ' atk_x', 'eyJhbGciOi', `x${example}`]) {
      expect(looksLikeSecret(other)).toBe(false);
    }
  });

  it('with any letter changed to any other, left out or doubled has a typo', () => {
    for (let at = 0; at < example.length; at += 1) {
      const [before, after] = [example.slice(0, at), example.slice(at + 1)];
      for (const letter of `${ALPHABET}_-.é`) {
        if (letter === example[at]) continue;
        expect(isWellFormed(before + letter + after)).toBe(false);
      }
      expect(isWellFormed(before + after)).toBe(false);
      expect(isWellFormed(before + example.charAt(at) + example.slice(at))).toBe(false);
    }
  });

  it.each([
    ['another token', makeSecret(makeTokenId(seeded(2)), seeded(0)), makeTokenId(seeded(2))],
    ['a typo further on', `${example}x`, TOKEN],
    ['no second part', `atk_${'a'.repeat(49)}`, undefined],
    ['a token that is too long', example.replace('_', '_a'), undefined],
    ['another prefix', example.replace('atk_', 'svc_'), undefined],
    ['a space before', ` ${example}`, undefined],
  ])('with %s names that token or none', (_what, secret, id) => {
    expect(tokenIdIn(secret)).toBe(id);
  });

  it('of one token is none of another, with the same random part', () => {
    const other = makeSecret(makeTokenId(seeded(2)), seeded(0));
    expect(isWellFormed(other.slice(0, 27) + example.slice(27))).toBe(false);
  });

  it('with two neighbours changed over has a typo', () => {
    for (let at = 4; at < example.length - 1; at += 1) {
      const [a, b] = [example.charAt(at), example.charAt(at + 1)];
      if (a === b) continue;
      expect(isWellFormed(example.slice(0, at) + b + a + example.slice(at + 2))).toBe(false);
    }
  });

  it.each([
    ['nothing', ''],
    ['a letter less', example.slice(0, -1)],
    ['a letter more', `${example}0`],
    ['a line break', `${example}\n`],
    ['a space before', ` ${example}`],
    ['small letters', example.toLowerCase()],
    ['another prefix', example.replace('atk_', 'atx_')],
    ['no prefix', example.slice(4)],
    ['letters that are not ASCII', example.replace(/.$/, 'é')],
    ['a hundred kilobytes', example.repeat(2_000)],
  ])('with %s is none', (_what, text) => {
    expect(isWellFormed(text)).toBe(false);
  });

  it('has the checksum that it always had: what was handed out stays good', () => {
    const ascending = (length: number) => Uint8Array.from({ length }, (_, i) => i);
    const body = `${TOKEN.replace('svc_', 'atk_')}_${ALPHABET.slice(0, 43)}`;
    expect(makeSecret(TOKEN, ascending)).toBe(`${body}${checksumOf(body)}`);
  });
});

/** CRC-32 (ISO 3309) by its table, in six digits of base62: written apart from the code under test. */
function checksumOf(text: string): string {
  const table = Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit += 1) value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value >>> 0;
  });
  const crc = [...text].reduce((sum, c) => (sum >>> 8) ^ (table[(sum ^ c.charCodeAt(0)) & 255] ?? 0), -1);
  let rest = BigInt((crc ^ -1) >>> 0);
  let digits = '';
  while (digits.length < 6) {
    digits = ALPHABET.charAt(Number(rest % 62n)) + digits;
    rest /= 62n;
  }
  return digits;
}

describe('random letters', () => {
  it('are each as likely as any other, whatever the bytes', () => {
    // Every byte once: 248 of 256 give a letter, each letter four times.
    const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i);
    const text = randomBase62(248, () => everyByte);
    const counts = new Map<string, number>();
    for (const letter of text) counts.set(letter, (counts.get(letter) ?? 0) + 1);
    expect([...counts.keys()].sort().join('')).toBe(ALPHABET);
    expect(new Set(counts.values())).toEqual(new Set([4]));
  });

  it('go on asking while bytes are of no use', () => {
    let asked = 0;
    const text = randomBase62(5, (length) => {
      asked += 1;
      return new Uint8Array(length).fill(asked < 4 ? 255 : 0);
    });
    expect([text, asked]).toEqual(['00000', 4]);
  });

  it('are as many as asked for', () => {
    for (const length of [0, 1, 2, 22, 43, 1000]) {
      expect(randomBase62(length, seeded(length))).toMatch(new RegExp(`^[0-9A-Za-z]{${length}}$`));
    }
  });
});

describe('a digest', () => {
  it('is the same for the same secret and pepper, and 43 letters of base64url', async () => {
    const digest = await digestSecret(example, pepper(1));
    expect(digest).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(await digestSecret(example, pepper(1))).toBe(digest);
  });

  it('is HMAC-SHA-256 (RFC 4231, case 2)', async () => {
    const key = new Uint8Array(new TextEncoder().encode('Jefe'));
    const digest = await digestSecret('what do ya want for nothing?', key);
    expect(Buffer.from(digest, 'base64url').toString('hex')).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    );
  });

  it('is another for another secret or another pepper, and holds nothing of the secret', async () => {
    const digests = await Promise.all([
      digestSecret(example, pepper(1)),
      digestSecret(example, pepper(2)),
      digestSecret(example.slice(0, -1), pepper(1)),
      digestSecret('', pepper(1)),
    ]);
    expect(new Set(digests).size).toBe(4);
    for (const digest of digests) {
      expect(digest).not.toContain(example.slice(4, 12));
      expect(digest).not.toContain(example.slice(27, 35));
    }
  });
});
