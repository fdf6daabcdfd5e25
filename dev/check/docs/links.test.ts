import { expect, it } from 'vitest';
import { linkFaults } from './links.ts';

const others = [
  { path: 'docs/guide.md', text: '# The `first` start\n\n```sh\n# not a heading\n```\n' },
  { path: 'broker/src/app.ts', text: '' },
];
const faults = (text: string) => linkFaults([{ path: 'docs/a.md', text }, ...others]);

it.each([
  '[a](guide.md)',
  '[a](./guide.md "title")',
  '[a](guide.md#the-first-start)',
  '[a](../broker/src/app.ts)',
  '[a](../broker/src/)',
  '[a](..)',
  '# Here\n[a](#here)',
  '[a](https://example.com/x) [b](mailto:a@example.com)',
  '`[a](gone.md)`',
  '```md\n[a](gone.md)\n```',
  '[a]: guide.md',
])('%s leads somewhere', (text) => {
  expect(faults(text)).toEqual([]);
});

it.each([
  '[a](gone.md)',
  '![a](gone.png "title")',
  '[![a](https://example.com/a.svg)](gone.md)',
  '[a](guide.md#the-second-start)',
  '[a](guide.md#not-a-heading)',
  '[a](#nowhere)',
  '[a](../../docs/guide.md)',
  '[a]: gone.md',
])('%s leads nowhere', (text) => {
  expect(faults(`first\n\n${text}`)).toMatchObject([{ file: 'docs/a.md', line: 3 }]);
});
