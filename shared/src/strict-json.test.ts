import { describe, expect, it } from 'vitest';
import { readStrictJson } from './strict-json.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);

describe('strict JSON', () => {
  it.each<[string, unknown]>([
    ['{"a":1}', { a: 1 }],
    [' [1, 2] \r\n\t', [1, 2]],
    ['null', null],
    ['false', false],
    ['0', 0],
    ['""', ''],
    ['"\\u0000\\ud800"', '\0\ud800'],
    ['"\u20ac\u{1f680}"', '\u20ac\u{1f680}'],
    ['1e999', Number.POSITIVE_INFINITY],
    ['{"a":1,"a":2}', { a: 2 }],
  ])('%s is a value', (text, value) => {
    expect(readStrictJson(utf8(text))).toEqual(value);
  });

  it.each([
    ...['', ' ', '{', '}', '{}{}', '{} x', "{'a':1}", '{a:1}', '[1,]', '{"a":1,}', '// x\n1', '/**/1', 'NaN'],
    ...['Infinity', 'undefined', '01', '+1', '.5', '1.', '0x10', '"\n"', '"\t"', '"\\x41"', '\u00a01', '\v1'],
  ])('%j is not JSON', (text) => {
    expect(readStrictJson(utf8(text))).toBeUndefined();
  });

  it.each<[string, number[]]>([
    ['a byte order mark', [0xef, 0xbb, 0xbf, 0x31]],
    ['UTF-16 with its mark', [0xff, 0xfe, 0x31, 0x00]],
    ['UTF-16 without', [0x31, 0x00]],
    ['a lone continuation byte', [0x22, 0x80, 0x22]],
    ['a sequence cut short', [0x22, 0xe2, 0x82, 0x22]],
    ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['a code point past the last', [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22]],
  ])('%s is refused, not repaired', (_name, bytes) => {
    expect(readStrictJson(Uint8Array.from(bytes))).toBeUndefined();
  });

  it('a __proto__ member stays a member', () => {
    const value = readStrictJson(utf8('{"__proto__":{"admin":true}}'));
    expect(Object.keys(value ?? {})).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it('100,000 levels are read or refused without a throw', () => {
    expect(readStrictJson(utf8('['.repeat(100_000)))).toBeUndefined();
    expect(readStrictJson(utf8('['.repeat(100_000) + ']'.repeat(100_000)))).toBeInstanceOf(Array);
  });

  it('a view of a larger buffer is read on its own', () => {
    expect(readStrictJson(utf8('x[1]x').subarray(1, 4))).toEqual([1]);
  });
});
