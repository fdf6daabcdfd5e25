import { expect, it } from 'vitest';
import { codeLines, nameFaults, selfContainmentFaults } from './files.ts';

const long = 'const a = 1;\n'.repeat(301);

it.each([
  'broker/src/utils.ts',
  'broker/src/lib/a.ts',
  'shared/src/Helpers/a.ts',
  'dev/common.test.ts',
  'misc/a.md',
])('%s has a name that does not describe the content', (path) => {
  expect(nameFaults([{ path, text: '' }])).toHaveLength(1);
});

it.each(['drizzle/open-libsql.ts', 'broker/src/common-name.ts', 'dev/check/files.ts', '.gitignore'])(
  '%s has a name that describes the content',
  (path) => {
    expect(nameFaults([{ path, text: '' }])).toEqual([]);
  },
);

it('a file of 301 code lines is too long, unless it is a test or generated', () => {
  expect(nameFaults([{ path: 'broker/src/a.ts', text: long }])).toHaveLength(1);
  for (const path of ['broker/src/a.test.ts', 'broker/test/a.ts', 'broker/worker-configuration.d.ts', 'a.md'])
    expect(nameFaults([{ path, text: long }])).toEqual([]);
});

it('blank lines and comments are not code', () => {
  const text = '/**\n * é 🙂\n */\n\nconst a = 1; // why\n/* b */ const c = "// d";\n';
  expect(codeLines({ path: 'a.ts', text })).toBe(2);
});

const faults = (path: string, text: string) => selfContainmentFaults([{ path, text }]);
/** Joined here, so that this file has no such path. */
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
