import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { findPythonForBuild, findPythonForClient } from '../find-python.ts';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import { makePythonPackage } from './python.ts';

/** The Python client as users install it, with its own tests. */

const run = promisify(execFile);
const client = await findPythonForClient(console.warn);
const builder = await findPythonForBuild(console.warn);

const memberNames = async (archive: string): Promise<string[]> => {
  const list = 'import sys, zipfile; print("\\n".join(sorted(zipfile.ZipFile(sys.argv[1]).namelist())))';
  const { stdout } = await run(builder ?? '', ['-c', list, archive]);
  return stdout.trim().split('\n');
};

it.skipIf(client === undefined)('the tests of the Python client pass', async () => {
  const env = {
    ...quietEnvironment(process.env),
    PYTHONPATH: `${ROOT}python/src`,
    PYTHONDONTWRITEBYTECODE: '1',
  };
  const { stderr } = await run(client ?? '', ['-m', 'unittest', 'discover', '-s', `${ROOT}python/tests`], {
    env,
  });
  expect(stderr).toMatch(/Ran (4[0-9]|[5-9][0-9]) tests/);
  expect(stderr).toMatch(/\nOK\n$/);
});

it.skipIf(builder === undefined || client === undefined)(
  'two builds are equal, and the wheel has the package and its types alone, and can be imported',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-python-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const [first = [], second = []] = await Promise.all(
      ['first', 'second'].map((name) => makePythonPackage(builder ?? '', join(folder, name))),
    );
    expect(first.map((path) => basename(path))).toEqual([
      'agent_ticket-0.0.0-py3-none-any.whl',
      'agent_ticket-0.0.0.tar.gz',
    ]);
    for (const [index, path] of first.entries())
      expect(await readFile(path)).toEqual(await readFile(second[index] ?? ''));

    const [wheel = ''] = first;
    const names = await memberNames(wheel);
    expect(names).toContain('agent_ticket/py.typed');
    expect(names.filter((name) => !/^agent_ticket(-0\.0\.0\.dist-info)?\//.test(name))).toEqual([]);
    const script = 'import agent_ticket; print(agent_ticket.__file__)';
    const env = { ...quietEnvironment(process.env), PYTHONPATH: wheel };
    const { stdout } = await run(client ?? '', ['-c', script], { env });
    expect(stdout).toContain('.whl/agent_ticket/');
  },
);
