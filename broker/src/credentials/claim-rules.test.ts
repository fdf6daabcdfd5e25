import { PrincipalId } from '@agent-ticket/shared/names.ts';
import { describe, expect, it } from 'vitest';
import { AGENTS } from '../../../agents.ts';
import { readConfig } from '../config/config.ts';
import {
  applyClaimRules,
  ClaimMatch,
  ClaimRule,
  type Claims,
  claimRuleFaults,
  matchesClaim,
  matchesGlob,
  rulesAsk,
} from './claim-rules.ts';
import { knownPermissions } from './permissions.ts';

const ISSUER = 'https://tenant.test/';
const identity = { id: PrincipalId.parse('auth0:tenant.test:alice'), kind: 'user', issuer: ISSUER } as const;
const rule = (more: object) => ClaimRule.parse({ issuer: ISSUER, claim: 'team', equals: 'ops', ...more });

describe('a claim matches', () => {
  it.each<[string, object, Claims, boolean]>([
    ['the same text', { claim: 'a', equals: 'x' }, { a: 'x' }, true],
    ['another text', { claim: 'a', equals: 'x' }, { a: 'y' }, false],
    ['a text in other case', { claim: 'a', equals: 'x' }, { a: 'X' }, false],
    ['a text that only begins so', { claim: 'a', equals: 'x' }, { a: 'xy' }, false],
    ['a number as a number', { claim: 'a', equals: 1 }, { a: 1 }, true],
    ['a number as a text', { claim: 'a', equals: 1 }, { a: '1' }, false],
    ['a true', { claim: 'a', equals: true }, { a: true }, true],
    ['a "true" that is a text', { claim: 'a', equals: true }, { a: 'true' }, false],
    ['false, which is a value like any other', { claim: 'a', equals: false }, { a: false }, true],
    ['zero', { claim: 'a', equals: 0 }, { a: 0 }, true],
    ['an empty text', { claim: 'a', equals: '' }, { a: '' }, true],
    ['no claim with an empty text', { claim: 'a', equals: '' }, {}, false],
    ['no claim with false', { claim: 'a', equals: false }, {}, false],
    ['null with "null"', { claim: 'a', equals: 'null' }, { a: null }, false],
    ['one of several', { claim: 'a', one_of: ['x', 2] }, { a: 2 }, true],
    ['none of several', { claim: 'a', one_of: ['x', 2] }, { a: '2' }, false],
    ['one_of with no claim', { claim: 'a', one_of: ['undefined'] }, {}, false],
    ['a glob', { claim: 'a', glob: 'x*' }, { a: 'xyz' }, true],
    ['a glob and a number', { claim: 'a', glob: '*' }, { a: 1 }, false],
    ['a glob and no claim', { claim: 'a', glob: '*' }, {}, false],
    ['any member of a list', { claim: 'a', equals: 'x' }, { a: ['y', 'x'] }, true],
    ['no member of a list', { claim: 'a', equals: 'x' }, { a: ['y', 'z'] }, false],
    ['an empty list', { claim: 'a', glob: '*' }, { a: [] }, false],
    ['a list in a list', { claim: 'a', equals: 'x' }, { a: [['x']] }, false],
    ['a list by one_of', { claim: 'a', one_of: ['x', 'w'] }, { a: ['y', 'w'] }, true],
    ['a list by glob', { claim: 'a', glob: 'x*' }, { a: [1, 'xy'] }, true],
    ['a nested claim', { claim: ['a', 'b'], equals: 'x' }, { a: { b: 'x' } }, true],
    ['a nested list', { claim: ['a', 'b'], equals: 'x' }, { a: { b: ['x'] } }, true],
    ['a path past a text', { claim: ['a', 'length'], equals: 1 }, { a: 'x' }, false],
    ['a path past null', { claim: ['a', 'b'], equals: 'x' }, { a: null }, false],
    ['a path past nothing', { claim: ['a', 'b', 'c'], equals: 'x' }, {}, false],
    ['a name with dots, which is no path', { claim: 'a.b', equals: 'x' }, { a: { b: 'x' } }, false],
    [
      'a name with dots as it is',
      { claim: 'https://x.test/a.b', equals: 'x' },
      { 'https://x.test/a.b': 'x' },
      true,
    ],
    ['an object', { claim: 'a', equals: '[object Object]' }, { a: {} }, false],
    ['the length of a list', { claim: ['a', 'length'], equals: 1 }, { a: ['x'] }, false],
    ['__proto__ that nobody sent', { claim: ['__proto__', 'x'], equals: 'y' }, {}, false],
    ['constructor that nobody sent', { claim: ['constructor', 'name'], equals: 'Object' }, {}, false],
    ['toString that nobody sent', { claim: ['toString', 'name'], equals: 'toString' }, {}, false],
    [
      '__proto__ as a claim of that name',
      { claim: ['__proto__', 'x'], equals: 'y' },
      JSON.parse('{"__proto__":{"x":"y"}}'),
      true,
    ],
    [
      'a claim out of a sent __proto__',
      { claim: 'x', equals: 'y' },
      JSON.parse('{"__proto__":{"x":"y"}}'),
      false,
    ],
    ['a claim out of a prototype', { claim: 'x', equals: 'y' }, Object.create({ x: 'y' }), false],
  ])('%s', (_what, match, claims, expected) => {
    expect(matchesClaim(ClaimMatch.parse(match), claims)).toBe(expected);
  });
});

describe('a glob', () => {
  it.each<[string, string, boolean]>([
    ['abc', 'abc', true],
    ['abc', 'abcd', false],
    ['abc', 'xabc', false],
    ['*', '', true],
    ['*', 'any thing\n', true],
    ['**', 'ab', true],
    ['**', '', true],
    ['a*', 'a', true],
    ['a*', 'ba', false],
    ['*a', 'ba', true],
    ['*a', 'ab', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['ab*ba', 'aba', false],
    ['ab*ba', 'abba', true],
    ['ab*bc*cd', 'abcd', false],
    ['ab*bc*cd', 'abbccd', true],
    ['a*b*c', 'abc', true],
    ['a*b*c', 'acb', false],
    ['a*b*b', 'ab', false],
    ['a*b*b', 'abb', true],
    ['*aab*', 'aaab', true],
    ['*ab*ab*', 'ab', false],
    ['*ab*ab*', 'abab', true],
    ['*aa*aa*', 'aaa', false],
    ['a**b', 'ab', true],
    ['a.c', 'abc', false],
    ['a?c', 'abc', false],
    ['[ab]', 'a', false],
    ['(a|b)*', 'a', false],
    ['\\*', '*', false],
    ['\\*', '\\anything', true],
    ['A*', 'ab', false],
    ['repo:o/r:ref:refs/heads/*', 'repo:o/r:ref:refs/heads/a/b', true],
    ['repo:o/r:*', 'repo:o/r2:x', false],
    ['ä*', 'äö', true],
  ])('%j and %j: %s', (glob, text, expected) => {
    expect(matchesGlob(glob, text)).toBe(expected);
  });

  it('agrees with a slow matcher on every short text', () => {
    const slow = (glob: string, text: string): boolean => {
      if (glob === '') return text === '';
      if (glob.startsWith('*'))
        return slow(glob.slice(1), text) || (text !== '' && slow(glob, text.slice(1)));
      return text.startsWith(glob.charAt(0)) && slow(glob.slice(1), text.slice(1));
    };
    const words = (letters: string, length: number): string[] =>
      length === 0
        ? ['']
        : ['', ...[...letters].flatMap((letter) => words(letters, length - 1).map((rest) => letter + rest))];
    const differing = words('ab*', 5).flatMap((glob) =>
      words('ab', 5)
        .filter((text) => matchesGlob(glob, text) !== slow(glob, text))
        .map((text) => [glob, text]),
    );
    expect(differing).toEqual([]);
  });
});

describe('an identity', () => {
  it.each<[string, object[], Claims]>([
    ['without rules', [], { team: 'ops' }],
    ['whose claim is another', [{ tier: 'admin' }], { team: 'dev' }],
    [
      'whose claims give themselves rights',
      [{ tier: 'admin' }],
      { tier: 'admin', permissions: ['keys:read'], groups: ['g'] },
    ],
    ['of another issuer', [{ issuer: 'https://other.test/', tier: 'admin' }], { team: 'ops' }],
    [
      'of an issuer that differs by a slash',
      [{ issuer: 'https://tenant.test', tier: 'admin' }],
      { team: 'ops' },
    ],
  ])('%s has the free tier and nothing else', (_what, rules, claims) => {
    expect(applyClaimRules(identity, claims, rules.map(rule))).toEqual({
      ...identity,
      tier: 'free',
      permissions: [],
      groups: [],
      sources: [{ gives: 'tier', value: 'free', from: 'default' }],
    });
  });

  it.each([
    ['the highest first', ['admin', 'pro', 'free'], 'admin'],
    ['the highest last', ['free', 'pro', 'admin'], 'admin'],
    ['two', ['pro', 'free'], 'pro'],
    ['the least', ['free'], 'free'],
  ])('has the highest tier that its rules give, %s', (_order, tiers, expected) => {
    const principal = applyClaimRules(
      identity,
      { team: 'ops' },
      tiers.map((tier) => rule({ tier })),
    );
    expect(principal.tier).toBe(expected);
    expect(principal.sources).toEqual(
      tiers.map((value, index) => ({ gives: 'tier', value, from: `claim rule ${index + 1}` })),
    );
  });

  it('has everything once, with every source by its place among all rules', () => {
    const rules = [
      rule({ issuer: 'https://other.test/', tier: 'admin' }),
      rule({ permissions: ['keys:read', 'keys:rotate'], groups: ['ops'] }),
      rule({ equals: 'dev', tier: 'admin' }),
      rule({ permissions: ['keys:read'], groups: ['ops', 'all'] }),
    ];
    expect(applyClaimRules(identity, { team: ['ops'] }, rules)).toEqual({
      ...identity,
      tier: 'free',
      permissions: ['keys:read', 'keys:rotate'],
      groups: ['ops', 'all'],
      sources: [
        { gives: 'tier', value: 'free', from: 'default' },
        { gives: 'permission', value: 'keys:read', from: 'claim rule 2' },
        { gives: 'permission', value: 'keys:rotate', from: 'claim rule 2' },
        { gives: 'group', value: 'ops', from: 'claim rule 2' },
        { gives: 'permission', value: 'keys:read', from: 'claim rule 4' },
        { gives: 'group', value: 'ops', from: 'claim rule 4' },
        { gives: 'group', value: 'all', from: 'claim rule 4' },
      ],
    });
  });
});

it.each<[string, object, boolean]>([
  ['by name', { claim: 'groups' }, true],
  ['by the first step of a path', { claim: ['groups', 'x'] }, true],
  ['by a later step only', { claim: ['x', 'groups'] }, false],
  ['of another issuer', { claim: 'groups', issuer: 'https://other.test/' }, false],
])('rules look at a claim %s: %j', (_how, more, expected) => {
  expect(rulesAsk([rule({ tier: 'pro', ...more })], ISSUER, 'groups')).toBe(expected);
});

describe('a rule that is not good', () => {
  const KEY = 'A'.repeat(43);
  const GOOD = {
    ISSUER: 'https://broker.test',
    TICKET_AUDIENCE: 'agents.test',
    AGENT_WORKER_URL: 'https://agents.test',
    KEK: KEY,
    TOKEN_PEPPER: KEY,
  };
  const fine = { issuer: ISSUER, claim: 'canary', equals: 'x', tier: 'pro' };

  it.each<[string, unknown]>([
    ['gives nothing', { ...fine, tier: undefined }],
    ['has two ways', { ...fine, glob: '*' }],
    ['has no way', { ...fine, equals: undefined }],
    ['has no issuer', { ...fine, issuer: undefined }],
    ['has no claim', { ...fine, claim: undefined }],
    ['has an empty path', { ...fine, claim: [] }],
    ['has an empty step', { ...fine, claim: ['a', ''] }],
    ['asks for an object', { ...fine, equals: {} }],
    ['asks for null', { ...fine, equals: null }],
    ['has an empty glob', { ...fine, equals: undefined, glob: '' }],
    ['has nothing to choose from', { ...fine, equals: undefined, one_of: [] }],
    ['gives an unknown tier', { ...fine, tier: 'canary' }],
    ['gives no permission in a list', { ...fine, permissions: [] }],
    ['gives a group without a name', { ...fine, groups: [''] }],
    ['has an unknown member', { ...fine, role: 'canary' }],
    ['is a text', 'canary'],
  ])('since it %s stops the broker by the setting’s name, the rule’s place and no value', (_what, bad) => {
    const read = () => readConfig({ ...GOOD, CLAIM_RULES: JSON.stringify([fine, bad]) });
    expect(read).toThrow(/CLAIM_RULES: .*in number 2/);
    expect(read).not.toThrow(/canary/);
  });

  it('that gives a permission which nothing asks for is named by its place and no value', () => {
    const known = knownPermissions(AGENTS);
    const rules = [['keys:read', 'agents'], ['canary'], undefined].map((permissions) =>
      ClaimRule.parse({ ...fine, tier: 'pro', permissions }),
    );
    expect(claimRuleFaults(rules, known)).toEqual([
      'CLAIM_RULES: in number 2 permissions: is not a permission',
    ]);
  });

  it.each(['', 'canary', '{}', 'null', '[{]'])('as %j is no list, and that is said', (text) => {
    expect(() => readConfig({ ...GOOD, CLAIM_RULES: text })).toThrow(/CLAIM_RULES: must be a JSON list/);
  });
});
