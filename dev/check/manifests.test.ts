import { expect, it } from 'vitest';
import {
  dryRunFaults,
  registryHostFaults,
  scriptsOf,
  typecheckFaults,
  undeclaredFaults,
} from './manifests.ts';

const manifest = (path: string, content: object) => ({
  path,
  text: JSON.stringify({ name: 'some', ...content }),
});
const MANIFESTS = [
  manifest('package.json', { name: 'top', devDependencies: { vitest: '1' } }),
  manifest('broker/package.json', {
    name: '@a/broker',
    dependencies: { zod: '1', '@hono/node-server': '1' },
    devDependencies: { jose: '1' },
  }),
  manifest('dev/package.json', { dependencies: { agents: '1' } }),
  manifest('dev/app/package.json', { dependencies: { react: '1' } }),
];
const undeclaredIn = (path: string, text: string) => undeclaredFaults([...MANIFESTS, { path, text }]);

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
  expect(undeclaredIn(path, text)).toEqual([]);
});

it.each([
  ['a package that no manifest names', 'broker/src/a.ts', "import 'left-pad/x';", 'left-pad'],
  ['a type', 'broker/src/a.ts', "import type { X } from '@other/x';", '@other/x'],
  ["a sibling's package", 'broker/src/a.ts', "await import('agents');", 'agents'],
  ['a sibling', 'dev/a.ts', "import '@a/broker/b.ts';", '@a/broker'],
  [
    'a package of the folder above, below a manifest of its own',
    'dev/app/a.ts',
    "import 'agents';",
    'agents',
  ],
])('%s is undeclared: a fault with its line', (_, path, text, name) => {
  expect(undeclaredIn(path, `\n${text}`)).toEqual([
    { file: path, line: 2, message: `imports ${name}, which its package.json does not name` },
  ]);
});

const root = manifest('package.json', { name: 'root', workspaces: ['broker'], scripts: { start: 'x' } });
const build = 'wrangler deploy --dry-run --outdir dist --metafile';

it('finds scripts by folder and by package name', () => {
  const scripts = scriptsOf([
    root,
    manifest('broker/package.json', { name: '@a/broker', scripts: { b: 'y' } }),
  ]);
  expect([scripts.get(''), scripts.get('broker'), scripts.get('@a/broker')]).toEqual([
    { start: 'x' },
    { b: 'y' },
    { b: 'y' },
  ]);
});

it('a workspace without type check is a fault', () => {
  const broker = (scripts: object) => manifest('broker/package.json', { name: 'b', scripts });
  expect(typecheckFaults([root, broker({})])).toHaveLength(1);
  expect(typecheckFaults([root, broker({ typecheck: 'true' })])).toHaveLength(1);
  expect(typecheckFaults([root, broker({ typecheck: 'tsc --noEmit' })])).toEqual([]);
  expect(typecheckFaults([root])).toHaveLength(1);
  expect(typecheckFaults([])).toHaveLength(1);
});

it('a worker whose build is not a dry run with a report is a fault', () => {
  const worker = (folder: string, script: string) =>
    manifest(`${folder}/package.json`, { name: folder, scripts: { build: script } });
  expect(dryRunFaults([worker('broker', build), worker('agent-worker', build)])).toEqual([]);
  expect(
    dryRunFaults([worker('broker', build), worker('agent-worker', build.replace(' --metafile', ''))]),
  ).toEqual([{ file: 'agent-worker/package.json', message: 'script "build" lacks "--metafile"' }]);
  expect(dryRunFaults([worker('broker', build)])).not.toEqual([]);
});

const lockfiles = (packages: object, npmrc = 'omit-lockfile-registry-resolved=true\n') => [
  { path: '.npmrc', text: npmrc },
  { path: 'package-lock.json', text: JSON.stringify({ packages }) },
];
const integrity = 'sha512-AAAA';

it('a lockfile of hashes and links passes', () => {
  const packages = {
    '': {},
    broker: {},
    'node_modules/zod': { integrity },
    'node_modules/@x/broker': { resolved: 'broker', link: true },
  };
  expect(registryHostFaults(lockfiles(packages))).toEqual([]);
});

it.each([
  ['a download host', { resolved: 'https://registry.example/zod.tgz', integrity }],
  ['a git host', { resolved: 'git+ssh://git@example.com/zod.git' }],
  ['a package without hash', {}],
])('%s is a fault', (_name, entry) => {
  expect(registryHostFaults(lockfiles({ 'node_modules/zod': entry }))).toHaveLength(1);
});

it.each(['', 'omit-lockfile-registry-resolved=true\nregistry=https://registry.example\n'])(
  'settings that let hosts in are a fault: %j',
  (npmrc) => {
    expect(registryHostFaults(lockfiles({}, npmrc))).toHaveLength(1);
  },
);

it('a missing lockfile is a fault', () => {
  expect(registryHostFaults(lockfiles({}).slice(0, 1))).toHaveLength(1);
});
