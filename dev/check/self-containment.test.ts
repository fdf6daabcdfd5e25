import { expect, it } from 'vitest';
import { selfContainmentFaults } from './self-containment.ts';

const faults = (path: string, text: string) => selfContainmentFaults([{ path, text }]);
/** Joined here, so that this file does not hold what it looks for. */
const machinePath = (...parts: string[]) => ['', ...parts].join('/');

it.each([
  machinePath('work', 'main'),
  machinePath('root', '.npmrc'),
  machinePath('home', 'someone', 'project'),
  machinePath('Users', 'someone', 'project'),
  machinePath('tmp', 'bash_jobs.0'),
])('%s is a path of one machine', (path) => {
  expect(faults('docs/a.md', `first\nsee ${path}.`)).toMatchObject([{ line: 2 }]);
  expect(faults('broker/test/a.test.ts', `'${path}'`)).toHaveLength(1);
});

it.each([
  ['README.md', 'see ../notes.md'],
  ['broker/README.md', '[a](../../notes.md)'],
  ['broker/src/a.ts', "new URL('../../../x', import.meta.url)"],
  ['broker/src/a.ts', "new URL('../../..', import.meta.url)"],
])('%s: %s leads out', (path, text) => {
  expect(faults(path, text)).toHaveLength(1);
});

it.each([
  ['broker/README.md', '[a](../docs/a.md) https://example.com/work/root/ /root'],
  ['broker/src/a.ts', "new URL('../../drizzle/migrations', import.meta.url)"],
  ['broker/src/a.ts', 'const all = [...first, ...second];'],
  ['broker/test/gate.test.ts', "'/agents/counter/../../../etc/passwd', '../../../../etc'"],
])('%s: %s stays inside', (path, text) => {
  expect(faults(path, text)).toEqual([]);
});
