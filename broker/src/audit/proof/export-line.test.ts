import { describe, expect, it } from 'vitest';
import { repeatsMember } from './export-line.ts';

describe('a member that is there twice', () => {
  it.each([
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"a":3}',
    '{"a":1,"\\u0061":2}',
    '{"":1,"":2}',
    '[{"x":{"a":[],"a":{}}}]',
    '{"a":{"b":1},"c":[{"b":1}],"a":2}',
    '{ "a" : "x" , "a" : "y" }',
    '{"__proto__":1,"__proto__":2}',
    '{"a\\"":1,"a\\"":2}',
  ])('is seen in %s', (text) => {
    expect(repeatsMember(text)).toBe(true);
  });

  it.each([
    '{}',
    '[1,1]',
    '["a","a",{"a":1},{"a":1}]',
    '{"a":{"a":{"a":1}}}',
    '{"a":"b","b":"a"}',
    '{"a":"\\"a\\":1,\\"a\\":2"}',
    '{"a":"{","b":"}","c":":"}',
    '{"a":1,"A":2}',
    '"{\\"a\\":1,\\"a\\":1}"',
  ])('is not in %s', (text) => {
    expect(JSON.parse(text)).toBeDefined();
    expect(repeatsMember(text)).toBe(false);
  });

  it('is looked for in a long string without a deep stack', () => {
    const long = JSON.stringify({ a: '\\"x'.repeat(1_000_000), b: 1 });
    expect(repeatsMember(long)).toBe(false);
    expect(repeatsMember(`{"a":${long},"a":1}`)).toBe(true);
  });
});
