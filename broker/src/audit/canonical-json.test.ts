import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical-json.ts';

/** A small generator of its own, so that a failing case comes again (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const WORDS = [
  '',
  'a',
  'b',
  'ä',
  '€',
  '\u0000',
  '"',
  '\\',
  '\u2028',
  '😀',
  'דּ',
  '10',
  '9',
  '__proto__',
  '\ud800',
];

function anyJson(next: () => number, depth = 0): unknown {
  const pick = Math.floor(next() * (depth > 3 ? 5 : 7));
  const word = () => WORDS[Math.floor(next() * WORDS.length)] ?? '';
  if (pick === 0) return null;
  if (pick === 1) return next() < 0.5;
  if (pick === 2) return (next() - 0.5) * 10 ** Math.floor(next() * 40 - 20);
  if (pick === 3) return Math.floor(next() * 1e15);
  if (pick === 4) return word() + word();
  const size = Math.floor(next() * 5);
  if (pick === 5) return Array.from({ length: size }, () => anyJson(next, depth + 1));
  return Object.fromEntries(Array.from({ length: size }, () => [word() + word(), anyJson(next, depth + 1)]));
}

function shuffled(value: unknown, next: () => number): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, next));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, item]) => [name, shuffled(item, next)] as const);
  return Object.fromEntries(entries.sort(() => next() - 0.5));
}

describe('canonical JSON', () => {
  it('orders members as RFC 8785 §3.2.3 does', () => {
    const input = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
    expect(Object.keys(JSON.parse(canonicalJson(input)))).toHaveLength(7);
    expect(canonicalJson(input)).toBe(
      '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}',
    );
  });

  it.each([
    [Number('333333333.33333329'), '333333333.3333333'],
    [1e30, '1e+30'],
    [4.5, '4.5'],
    [2e-3, '0.002'],
    [1e-27, '1e-27'],
    [-0, '0'],
  ])('writes the number %s as RFC 8785 §3.2.2.3 does', (number, text) => {
    expect(canonicalJson(number)).toBe(text);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, undefined, () => 0, Symbol('s')])('takes no %s', (value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
  });

  it('gives a value back, spells it once, and does not see the order of members', () => {
    for (let seed = 1; seed <= 2_000; seed += 1) {
      const next = random(seed);
      const value: unknown = JSON.parse(JSON.stringify(anyJson(next)));
      const text = canonicalJson(value);
      const again: unknown = JSON.parse(text);
      expect(again).toEqual(value);
      expect(canonicalJson(again)).toBe(text);
      expect(canonicalJson(shuffled(value, next))).toBe(text);
    }
  });
});
