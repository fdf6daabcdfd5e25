import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { ROOT } from '../../quiet-environment.ts';
import { installByNpm } from '../adopting/adopt.ts';
import { freePorts } from '../free-ports.ts';
import { startCommand } from '../start-process.ts';

/** The template as the Deploy button copies it, with the packages of these sources: each step that needs no account. */

it('the template of one worker installs, type-checks, builds, migrates, starts and is proved by the probe', {
  timeout: 600_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-template-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await cp(`${ROOT}templates/one-worker`, folder, { recursive: true });
  await installByNpm(folder, 'agent-worker', 'broker', 'cli');

  // Its own tools alone, since the folder stands alone in the repository that the button makes.
  const env = { ...process.env, PATH: `${join(folder, 'node_modules/.bin')}:${process.env.PATH}` };
  const run = async (name: string, ...args: string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)(name, args, { cwd: folder, env });
    return stdout;
  };
  await run('npm', 'run', 'types');
  await run('wrangler', 'deploy', '--dry-run', '--outdir', 'dist');
  for (const binding of ['CONTROL', 'RECORD'])
    await run('wrangler', 'd1', 'migrations', 'apply', binding, '--local');

  const { agentWorker: port } = await freePorts();
  const origin = `http://127.0.0.1:${port}`;
  const { keyEncryptionKey, tokenPepper } = makeSecrets();
  const settings: Record<string, string> = {
    ISSUER: `${origin}/broker`,
    TICKET_AUDIENCE: '127.0.0.1',
    AGENT_WORKER_URL: origin,
    ALLOWED_ORIGINS: origin,
    KEK: keyEncryptionKey,
    TOKEN_PEPPER: tokenPepper,
  };
  const asked = z
    .looseObject({ cloudflare: z.object({ bindings: z.record(z.string(), z.unknown()) }) })
    .parse(JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')));
  expect(Object.keys(asked.cloudflare.bindings).toSorted()).toEqual(Object.keys(settings).toSorted());
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(folder, '.dev.vars'), lines.join(''));

  await writeFile(join(folder, 'secrets.json'), JSON.stringify({ TOKEN_PEPPER: tokenPepper }));
  const words = [
    'bootstrap',
    '--d1',
    'wrangler.jsonc',
    '--local',
    '--secrets-file',
    'secrets.json',
    '--json',
  ];
  const operator = z
    .looseObject({ client_id: z.string(), client_secret: z.string() })
    .parse(JSON.parse(await run('agent-ticket', ...words)));

  const wrangler = ['wrangler', 'dev', '--port', String(port), '--ip', '127.0.0.1'] as const;
  const running = startCommand(wrangler, await freePorts(), folder, env, folder);
  await eventually(async () => {
    const answer = await fetch(`${origin}/broker/healthz`).catch(() => undefined);
    expect(answer?.status, running.output.err).toBe(200);
  }, 60_000);
  const probe = await promisify(execFile)('agent-ticket', ['probe', 'counter', 'demo', '--json'], {
    cwd: folder,
    env: {
      ...env,
      AGENT_TICKET_BROKER: `${origin}/broker`,
      AGENT_TICKET_CLIENT_ID: operator.client_id,
      AGENT_TICKET_CLIENT_SECRET: operator.client_secret,
    },
  });
  expect(probe.stdout).toContain('"ok":true');
  expect(probe.stdout).not.toContain('"ok":false');
});
