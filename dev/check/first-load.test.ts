import { expect, it } from 'vitest';
import { FIRST_LOAD_BYTES_MAX, firstLoadFaults, firstLoadOf } from './first-load.ts';

const META = JSON.stringify({
  outputs: {
    'console/dist/console.js': {
      imports: [
        { path: 'console/dist/chunk-AAAAAAAA.js', kind: 'import-statement' },
        { path: 'console/dist/verify-BBBBBBBB.js', kind: 'dynamic-import' },
      ],
      inputs: { 'console/console.tsx': {} },
    },
    'console/dist/chunk-AAAAAAAA.js': {
      imports: [{ path: 'console/dist/console.js', kind: 'import-statement' }],
      inputs: { 'console/list.tsx': {} },
    },
    'console/dist/verify-BBBBBBBB.js': { imports: [], inputs: { 'src/audit/proof/verify.ts': {} } },
  },
});

it('the first load is the page, its script and the static imports of the script', () => {
  expect(firstLoadOf(META)).toEqual({
    files: ['console.html', 'console.css', 'icon.svg', 'console.js', 'chunk-AAAAAAAA.js'],
    inputs: ['console/console.tsx', 'console/list.tsx'],
  });
});

it('a first load that is one byte too heavy is a fault', () => {
  const load = firstLoadOf(META);
  expect(firstLoadFaults(load, [FIRST_LOAD_BYTES_MAX - 1, 1])).toEqual([]);
  expect(firstLoadFaults(load, [FIRST_LOAD_BYTES_MAX, 1])).toMatchObject([
    {
      message: `the first load weighs ${FIRST_LOAD_BYTES_MAX + 1} bytes compressed, more than ${FIRST_LOAD_BYTES_MAX}`,
    },
  ]);
});

it.each([
  'src/audit/proof/verify.ts',
  '../node_modules/zod/index.js',
  '../node_modules/@noble/hashes/sha2.js',
])('a first load with %s is a fault', (input) => {
  const load = firstLoadOf(META.replace('console/list.tsx', input));
  expect(firstLoadFaults(load, [])).toMatchObject([{ message: `the first load contains ${input}` }]);
});

it('a report of another build is a fault', () => {
  expect(firstLoadFaults(firstLoadOf(META.replace('console/console.tsx', 'src/x.ts')), [])).toHaveLength(1);
});
