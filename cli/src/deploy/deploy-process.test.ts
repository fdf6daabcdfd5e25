import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { standIn } from '../../test/cloudflare-stand-in.ts';
import { FIRST_RUN, start, WORDS } from '../../test/deployed-project.ts';
import { runWrangler } from '../open-wrangler.ts';

const CLI = join(import.meta.dirname, '../..');
const ONE_PROCESS_MS = 180_000;

/** A project in whose folder the stand-in is installed as wrangler, and the command as a process there. */
async function install() {
  const at = await start();
  const here = { folder: JSON.stringify(at.folder), account: JSON.stringify(at.account) };
  await at.write('package.json', '{"type":"module"}');
  await at.write('node_modules/wrangler/package.json', '{"main":"index.cjs"}');
  await at.write(
    'node_modules/wrangler/index.cjs',
    `module.exports = require(${JSON.stringify(join(CLI, '../node_modules/wrangler'))});\n`,
  );
  await at.write(
    'node_modules/wrangler/bin/wrangler.js',
    [
      "const { text } = require('node:stream/consumers');",
      `import(${JSON.stringify(join(CLI, 'test/cloudflare-stand-in.ts'))}).then(async ({ standIn }) => {`,
      `  const { code, out, err } = standIn(${here.folder}, ${here.account}, process.argv.slice(2), await text(process.stdin));`,
      '  process.stdout.write(out);',
      '  process.stderr.write(err);',
      '  process.exitCode = code;',
      '});',
    ].join('\n'),
  );
  const execute = (words: readonly string[]) =>
    new Promise<{ code: unknown; out: string; err: string }>((done) => {
      const { CI: _, ...env } = process.env;
      execFile(
        process.execPath,
        [join(CLI, 'src/node.ts'), ...words],
        { cwd: at.folder, env: { ...env, XDG_CONFIG_HOME: join(at.folder, 'config') } },
        (error, out, err) => done({ code: error?.code ?? 0, out, err }),
      );
    });
  return { ...at, execute };
}

it(
  'as a process it plans by --dry-run, and a step that fails ends it with 2, a reason, and the steps before it',
  async () => {
    const { execute, read, meddle, folder } = await install();
    const planned = await execute([...WORDS, '--dry-run', '--json']);
    expect(planned).toMatchObject({ code: 0, err: '' });
    expect(planned.out.split('\n')[0]).toContain('"control database"');
    expect(read().log).toEqual([]);

    meddle(({ faults }) => faults.push({ on: 'deploy --tag', as: 'quota', times: 1 }));
    const { code, out, err } = await execute([...WORDS, '--yes', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(err)).toMatchObject({
      code: 'QUOTA',
      step: 'broker',
      done: 'control database, record database, control tables, record tables, broker secrets',
    });
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).status),
    ).toEqual([...Array(5).fill('done'), 'failed']);
    expect(read().log).toEqual(FIRST_RUN.slice(0, FIRST_RUN.indexOf('deployed shop-broker')));

    const [file = ''] = await readdir(join(folder, 'config/agent-ticket'));
    expect(file).toMatch(/^deployment\.a+\.shop-broker\.json$/);
    expect((await stat(join(folder, 'config/agent-ticket', file))).mode & 0o077).toBe(0);
  },
  ONE_PROCESS_MS,
);

it(
  'the files that it writes are built by wrangler itself',
  async () => {
    const at = await start();
    const builds: string[] = [];
    const absolute = (word: string): string => (/\/|\.json$/.test(word) ? join(at.folder, word) : word);
    const ended = await at.deploy([...WORDS, '--yes'], {
      runWrangler: async (words, input) => {
        if (!words.includes('--dry-run')) return standIn(at.folder, at.account, words, input);
        const built = await runWrangler(words.map(absolute));
        builds.push(built.out + built.err);
        return built;
      },
    });
    expect(ended).toMatchObject({ code: 0 });
    expect(builds).toHaveLength(2);
    for (const name of ['shop-control', 'env.COUNTER']) expect(builds.join('\n')).toContain(name);
    for (const said of builds) expect(said).not.toMatch(/warning|unexpected/i);
  },
  ONE_PROCESS_MS,
);
