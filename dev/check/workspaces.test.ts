import { expect, it } from 'vitest';
import { dryRunFaults, scriptsOf, typecheckFaults } from './workspaces.ts';

const manifest = (path: string, content: object) => ({ path, text: JSON.stringify(content) });
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

it('a workspace that nothing type-checks is a fault', () => {
  const broker = (scripts: object) => manifest('broker/package.json', { name: 'b', scripts });
  expect(typecheckFaults([root, broker({})])).toHaveLength(1);
  expect(typecheckFaults([root, broker({ typecheck: 'true' })])).toHaveLength(1);
  expect(typecheckFaults([root, broker({ typecheck: 'tsc --noEmit' })])).toEqual([]);
  expect(typecheckFaults([root])).toHaveLength(1);
  expect(typecheckFaults([])).toHaveLength(1);
});

it('a worker whose build is no dry run with a report is a fault', () => {
  const worker = (folder: string, script: string) =>
    manifest(`${folder}/package.json`, { name: folder, scripts: { build: script } });
  expect(dryRunFaults([worker('broker', build), worker('agent-worker', build)])).toEqual([]);
  expect(
    dryRunFaults([worker('broker', build), worker('agent-worker', build.replace(' --metafile', ''))]),
  ).toEqual([{ file: 'agent-worker/package.json', message: 'script "build" lacks "--metafile"' }]);
  expect(dryRunFaults([worker('broker', build)])).not.toEqual([]);
});
