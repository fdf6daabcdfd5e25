import { expect, it } from 'vitest';
import { codeLines, nameFaults } from './names.ts';

const long = 'const a = 1;\n'.repeat(301);

it.each([
  'broker/src/utils.ts',
  'broker/src/lib/a.ts',
  'shared/src/Helpers/a.ts',
  'dev/common.test.ts',
  'misc/a.md',
])('%s has a name that says nothing', (path) => {
  expect(nameFaults([{ path, text: '' }])).toHaveLength(1);
});

it.each(['drizzle/open-libsql.ts', 'broker/src/common-name.ts', 'dev/check/names.ts', '.gitignore'])(
  '%s has a telling name',
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
