import { expect, it } from 'vitest';
import { hrefOf } from './route.ts';

it('an address has the filters that are set, and no part of a value becomes another filter', () => {
  expect(hrefOf('sessions')).toBe('#sessions');
  expect(hrefOf('sessions', { agent: 'a&b=c#d?e', instance: '', person: null })).toBe(
    '#sessions?agent=a%26b%3Dc%23d%3Fe',
  );
});
