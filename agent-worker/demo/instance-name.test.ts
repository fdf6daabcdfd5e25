import { expect, test, vi } from 'vitest';
import { instanceName } from './instance-name.ts';

const PAGE = 'https://agents.example/chat';

test('the name in the address is used, and the address is unchanged', () => {
  const replaceState = vi.fn();
  expect(instanceName('chat', { href: `${PAGE}?chat=mine` }, { replaceState }, () => 'new')).toBe('mine');
  expect(replaceState).not.toHaveBeenCalled();
});

test.for(['', '?chat=', '?chat=a%20b', `?chat=${'x'.repeat(129)}`, '?chat=../counter'])(
  'without a valid name (%s) a new one is added to the address',
  (query) => {
    const replaceState = vi.fn();
    expect(instanceName('chat', { href: `${PAGE}${query}` }, { replaceState }, () => 'new')).toBe('new');
    expect(String(replaceState.mock.calls[0]?.[2])).toBe(`${PAGE}?chat=new`);
  },
);
