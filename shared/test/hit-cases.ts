import type { Revocable, Revocation } from '../src/revocation.ts';

/** Which revocations hit which ticket. The databases ask the same in SQL, so one table drives the tests of all. */

/** Of every case, in ms. */
export const HIT_NOW = 1_700_000_000_000;

/** The ticket of every case. */
export const HIT_TICKET: Revocable = {
  names: ['everything:', 'agent:counter', 'instance:counter/main', 'principal:auth0:people.test:alice'],
  rev: 7,
};

const any = { kind: 'any', rev: 1, until: null, target: 'agent:counter' } as const;
const before = { ...any, kind: 'before', rev: 8 } as const;

export const HIT_CASES: readonly [
  what: string,
  row: Pick<Revocation, 'kind' | 'rev' | 'until' | 'target'>,
  isHit: boolean,
][] = [
  ['any, on the agent', any, true],
  ['any, on everything', { ...any, target: 'everything:' }, true],
  ['any, on the instance', { ...any, target: 'instance:counter/main' }, true],
  ['any, on the principal', { ...any, target: 'principal:auth0:people.test:alice' }, true],
  ['any, on another agent', { ...any, target: 'agent:lobby' }, false],
  ['any, on another instance', { ...any, target: 'instance:counter/side' }, false],
  ['any, on the target in another case', { ...any, target: 'agent:COUNTER' }, false],
  ['any, on a target that begins the same', { ...any, target: 'agent:counter2' }, false],
  ['any, of the number of the ticket', { ...any, rev: 7 }, true],
  ['any, of a greater number', { ...any, rev: 8 }, true],
  ['any, until later', { ...any, until: HIT_NOW + 1 }, true],
  ['any, until now', { ...any, until: HIT_NOW }, false],
  ['any, until earlier', { ...any, until: HIT_NOW - 1 }, false],
  ['before, of a smaller number', { ...before, rev: 6 }, false],
  ['before, of the number of the ticket', { ...before, rev: 7 }, false],
  ['before, of a greater number', before, true],
  ['before, of a greater number with more digits', { ...before, rev: 10 }, true],
  ['before, of a greater number, on another agent', { ...before, target: 'agent:lobby' }, false],
  ['before, of a greater number, until later', { ...before, until: HIT_NOW + 1 }, true],
  ['before, of a greater number, until now', { ...before, until: HIT_NOW }, false],
  ['before, of a smaller number, until later', { ...before, rev: 6, until: HIT_NOW + 1 }, false],
];
