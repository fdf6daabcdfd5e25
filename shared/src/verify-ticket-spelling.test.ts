import { base64url } from 'jose';
import { describe, expect, it } from 'vitest';
import {
  expecting,
  headerOf,
  makeSigner,
  PAYLOAD,
  segments,
  signBytes,
  signTicket,
  verdict,
} from '../test/tickets.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const signer = await makeSigner('ES256');
const edwards = await makeSigner('Ed25519');
const expected = expecting([signer, edwards]);
const token = await signTicket(signer);
const [header, payload, signature] = segments(token);

describe('the last character of the signature', () => {
  it.each([signer, edwards])(
    'has 16 spellings of $alg’s last bits, of which one is accepted',
    async (one) => {
      const good = await signTicket(one);
      const last = ALPHABET.indexOf(good.slice(-1));
      const spellings = Array.from(
        { length: 16 },
        (_, spare) => good.slice(0, -1) + ALPHABET.charAt((last & 0b110000) | spare),
      );
      const bytes = spellings.map((text) => base64url.decode(segments(text)[2]).join());
      expect(new Set(bytes).size).toBe(1);
      const verdicts = await Promise.all(spellings.map((text) => verdict(text, expected)));
      expect(verdicts.filter((reason) => reason === 'ticket_malformed')).toHaveLength(15);
      expect(verdicts[spellings.indexOf(good)]).toBe('accepted');
    },
  );
});

describe('a text that a lenient reader takes for the same ticket', () => {
  it.each([
    ['padded', `${token}==`],
    ['padded once', `${token}=`],
    ['padded in its header', `${header}=.${payload}.${signature}`],
    ['followed by a space', `${token} `],
    ['followed by a line feed', `${token}\n`],
    ['followed by a carriage return', `${token}\r\n`],
    ['after a space', ` ${token}`],
    ['after a byte order mark', `\ufeff${token}`],
    ['with a space in its signature', `${header}.${payload}.${signature.slice(0, 9)} ${signature.slice(9)}`],
    ['with a tab in its signature', `${header}.${payload}.${signature.slice(0, 9)}\t${signature.slice(9)}`],
    ['with a line feed in its payload', `${header}.${payload.slice(0, 9)}\n${payload.slice(9)}.${signature}`],
    ['with a zero-width space', `${header}.${payload}.\u200b${signature}`],
    ['with an exclamation mark', `${header}.${payload}!.${signature}`],
    ['with a NUL', `${token}\0`],
    ['percent-encoded', `${header}%2E${payload}%2E${signature}`],
    ['quoted', `"${token}"`],
    ['after its scheme', `Bearer ${token}`],
    ['with full-width dots', `${header}\uff0e${payload}\uff0e${signature}`],
    ['with a full-width letter', `\uff45${token.slice(1)}`],
    ['with a Cyrillic letter', `\u0435${token.slice(1)}`],
  ])('%s is refused', async (_name, text) => {
    expect(await verdict(text, expected)).toBe('ticket_malformed');
  });

  it('in the alphabet of plain base64 is refused', async () => {
    let other = token;
    while (!/[-_]/.test(segments(other)[2])) other = await signTicket(signer);
    const [, , own] = segments(other);
    const plain = own.replaceAll('-', '+').replaceAll('_', '/');
    expect(plain).not.toBe(own);
    expect(await verdict(other.replace(own, plain), expected)).toBe('ticket_malformed');
  });
});

describe('a text that is not three segments', () => {
  it.each([
    ['empty', ''],
    ['one segment', header],
    ['two segments', `${header}.${payload}`],
    ['two dots only', '..'],
    ['no header', `.${payload}.${signature}`],
    ['no payload', `${header}..${signature}`],
    ['no signature', `${header}.${payload}.`],
    ['four segments', `${token}.`],
    ['four full segments', `${token}.${signature}`],
    ['five segments', `${header}.${payload}.${signature}.${payload}.${signature}`],
    ['six segments', `${token}.${token}`],
    ['a megabyte of dots', '.'.repeat(1024 * 1024)],
    ['a megabyte of payload', `${header}.${'A'.repeat(1024 * 1024)}.${signature}`],
    ['the flattened JSON serialisation', JSON.stringify({ protected: header, payload, signature })],
    [
      'the JSON serialisation with an unprotected header',
      JSON.stringify({ payload, signatures: [{ protected: header, header: headerOf(signer), signature }] }),
    ],
    [
      'a segment of a length that nothing encodes to',
      `${header}${'A'.repeat(5 - (header.length % 4))}.${payload}.${signature}`,
    ],
  ])('%s is refused', async (_name, text) => {
    expect(await verdict(text, expected)).toBe('ticket_malformed');
  });
});

describe('length', () => {
  /** A good ticket of exactly this length: white space around JSON is signed with it. */
  async function ofLength(length: number): Promise<string> {
    for (const before of ['', ' ', '  ']) {
      const start = `${before}${JSON.stringify(headerOf(signer))}`;
      const room = length - 2 - 86 - base64url.encode(start).length;
      if (room % 4 === 1) continue;
      const text = JSON.stringify(PAYLOAD).padEnd(Math.floor((room * 3) / 4));
      return signBytes(signer, start, text);
    }
    throw new Error('no such length');
  }

  it('of 2,048 characters is accepted and one more is refused', async () => {
    const longest = await ofLength(2048);
    const longer = await ofLength(2049);
    expect([longest.length, longer.length]).toEqual([2048, 2049]);
    expect(await verdict(longest, expected)).toBe('accepted');
    expect(await verdict(longer, expected)).toBe('ticket_malformed');
  });
});

describe('a ticket with one character changed', () => {
  it.each([signer, edwards])('is refused at every position ($alg)', async (one) => {
    const good = await signTicket(one);
    const changed = [...good].flatMap((character, index) =>
      [...[7, 20, 41].map((step) => ALPHABET.charAt((index + step) % 64)), '.', '=', '\u00e9']
        .filter((other) => other !== character)
        .map((other) => good.slice(0, index) + other + good.slice(index + 1)),
    );
    const verdicts = await Promise.all(changed.map((text) => verdict(text, expected)));
    expect(changed.length).toBeGreaterThan(5 * good.length);
    expect(changed.filter((_, index) => verdicts[index] === 'accepted')).toEqual([]);
  });

  it('lost, doubled or swapped with its neighbour is refused at every position', async () => {
    const changed = [...token].flatMap((character, index) => [
      token.slice(0, index) + token.slice(index + 1),
      token.slice(0, index) + character + token.slice(index),
      token.slice(0, index) + token.charAt(index + 1) + character + token.slice(index + 2),
    ]);
    const different = changed.filter((text) => text !== token);
    const verdicts = await Promise.all(different.map((text) => verdict(text, expected)));
    expect(different.filter((_, index) => verdicts[index] === 'accepted')).toEqual([]);
  });

  it('is refused at every length it is cut to', async () => {
    const cut = Array.from({ length: token.length }, (_, length) => token.slice(0, length));
    const verdicts = await Promise.all(cut.map((text) => verdict(text, expected)));
    expect(verdicts).not.toContain('accepted');
  });
});
