import { expect, it } from 'vitest';
import { undeclaredFaults } from './declared.ts';

const manifest = (path: string, content: object) => ({
  path,
  text: JSON.stringify({ name: 'some', ...content }),
});
const HOUSE = [
  manifest('package.json', { name: 'top', devDependencies: { vitest: '1' } }),
  manifest('broker/package.json', {
    name: '@a/broker',
    dependencies: { zod: '1', '@hono/node-server': '1' },
    devDependencies: { jose: '1' },
  }),
  manifest('dev/package.json', { dependencies: { agents: '1' } }),
  manifest('dev/app/package.json', { dependencies: { react: '1' } }),
];
const faultsOf = (path: string, text: string) => undeclaredFaults([...HOUSE, { path, text }]);

it.each([
  ['broker/src/a.ts', "import { z } from 'zod';"],
  ['broker/src/a.ts', "export * from 'zod/mini';"],
  ['broker/src/a.ts', "import { serve } from '@hono/node-server/x';"],
  ['broker/src/a.ts', "const jose = await import('jose');"],
  ['broker/src/a.test.ts', "import { it } from 'vitest';"],
  ['broker/src/a.ts', "import x from '@a/broker/src/b.ts';"],
  [
    'broker/src/a.ts',
    "import './b.ts'; import 'node:fs'; import 'fs/promises'; import 'cloudflare:workers';",
  ],
  ['dev/app/src/a.ts', "import 'react';"],
  ['dev/check/syntax.ts', "import { parseSync } from 'rolldown/utils';"],
  ['README.md', "import 'left-pad';"],
])('%s: %s is declared', (path, text) => {
  expect(faultsOf(path, text)).toEqual([]);
});

it.each([
  ['a package of nobody', 'broker/src/a.ts', "import 'left-pad/x';", 'left-pad'],
  ['a type', 'broker/src/a.ts', "import type { X } from '@other/x';", '@other/x'],
  ["a sibling's package", 'broker/src/a.ts', "await import('agents');", 'agents'],
  ['a sibling', 'dev/a.ts', "import '@a/broker/b.ts';", '@a/broker'],
  ['what the folder above has, below a manifest of its own', 'dev/app/a.ts', "import 'agents';", 'agents'],
])('%s is not: a fault with its line', (_, path, text, name) => {
  expect(faultsOf(path, `\n${text}`)).toEqual([
    { file: path, line: 2, message: `imports ${name}, which its package.json does not name` },
  ]);
});
