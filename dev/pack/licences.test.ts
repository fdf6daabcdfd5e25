import { expect, it } from 'vitest';
import { Lockfile, licencesOf, readLockfile } from './licences.ts';

const lockfile = (packages: object) => Lockfile.parse({ packages });

it('what a package needs is listed, with what that needs, and nothing of a tool', () => {
  const locked = lockfile({
    broker: { dependencies: { a: '1' }, devDependencies: { tool: '1' } },
    'node_modules/a': { version: '1.0.0', license: 'MIT', dependencies: { b: '1' } },
    'node_modules/a/node_modules/b': { version: '1.1.0', license: '(MIT OR GPL-3.0)' },
    'node_modules/b': { version: '2.0.0', license: 'GPL-3.0' },
    'node_modules/tool': { version: '1.0.0', license: 'GPL-3.0' },
  });
  expect(licencesOf(locked, ['broker'])).toEqual([
    ['(MIT OR GPL-3.0)', ['b 1.1.0']],
    ['MIT', ['a 1.0.0']],
  ]);
});

it.each([
  ['no licence', {}],
  ['one that is not permissive', { license: 'GPL-3.0' }],
  ['two of which one is not', { license: 'MIT AND GPL-3.0' }],
  ['a file for one', { license: 'SEE LICENSE IN LICENSE' }],
])('a package with %s is refused by its name', (_what, entry) => {
  const locked = lockfile({
    broker: { dependencies: { a: '1' } },
    'node_modules/a': { version: '1.0.0', ...entry },
  });
  expect(() => licencesOf(locked, ['broker'])).toThrow('a 1.0.0');
});

it('everything that the packages bring is permissive', () => {
  expect(licencesOf(readLockfile()).flatMap(([, names]) => names).length).toBeGreaterThan(50);
});
