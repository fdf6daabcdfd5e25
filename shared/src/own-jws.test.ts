import { describe, expect, it } from 'vitest';
import { isCanonicalCompact } from './own-jws.ts';

describe('a compact serialisation', () => {
  it.each(['AA.AA.AA', 'AAA.AAA.AAA', 'AAAA.AAAA.AAAA', '_-8.Zm9v.__8', 'e30.e30.AQ'])(
    '%s is canonical',
    (text) => {
      expect(isCanonicalCompact(text)).toBe(true);
    },
  );

  it.each([
    ...[
      '',
      '.',
      '..',
      '...',
      'AA',
      'AA.AA',
      'AA.AA.',
      '.AA.AA',
      'AA..AA',
      'AA.AA.AA.',
      '.AA.AA.AA',
      'AA.AA.AA.AA',
    ],
    ...['A.AA.AA', 'AA.AAAAA.AA', 'AA.AA.A', 'AB.AA.AA', 'AAB.AA.AA', 'AA.AA.A_', 'AA.AA.AA_', 'AA.AA.AA=='],
    ...[
      'AA.AA.AA\n',
      '\nAA.AA.AA',
      'AA.AA.AA ',
      'AA.A A.AA',
      'AA.A+.AA',
      'AA.A/.AA',
      'AA.A%.AA',
      'AA.A\0.AA',
    ],
    ...['AA.AA.AA\nAA.AA.AA', '\ufeffAA.AA.AA', 'AA\u3002AA\u3002AA', '\uff21A.AA.AA', '\ud800.AA.AA'],
  ])('%j is not', (text) => {
    expect(isCanonicalCompact(text)).toBe(false);
  });
});

describe('the length', () => {
  it('is 2,048 characters at most', () => {
    const text = (length: number) => `AA.AA.${'A'.repeat(length - 6)}`;
    expect([2044, 2046, 2047, 2048, 2050].map((length) => isCanonicalCompact(text(length)))).toEqual([
      true, // 2038 = 2 mod 4
      true,
      false, // a segment of 1 mod 4 characters encodes nothing
      true,
      false,
    ]);
  });

  it('may be set by the caller', () => {
    expect(isCanonicalCompact('AA.AA.AA', 8)).toBe(true);
    expect(isCanonicalCompact('AA.AA.AA', 7)).toBe(false);
  });
});
