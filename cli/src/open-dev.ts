import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { digestSecret } from '@agent-ticket/broker/src/credentials/secret.ts';
import { openAgents } from '@agent-ticket/broker/src/runtime/node/open-agents.ts';
import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import type { D1Database } from '@cloudflare/workers-types';
import * as z from 'zod';
import { type DevOptions, type DevPorts, type ExitCode, type Terminal, UsageError } from './command.ts';
import {
  addressOf,
  appVars,
  brokerVars,
  callbackVars,
  frontFiles,
  seedRows,
  varsFile,
  WRITTEN,
} from './dev-files.ts';
import { signInSettings, startIdentityProvider } from './identity-provider/start.ts';
import { migrateD1 } from './open-migrations.ts';
import { type DevSecrets, loadSecrets } from './open-secrets.ts';
import { isInstalled, openWrangler, programOf } from './open-wrangler.ts';

/** Data of the development stack, beside the app's own in `.wrangler`. */
const DATA = '.agent-ticket';

const DEADLINE_MS = 120_000;

const Worker = z.object({
  configPath: z.string().optional(),
  name: z.string().optional(),
  d1_databases: z.array(
    z.object({
      binding: z.string(),
      database_id: z.string().optional(),
      database_name: z.string().optional(),
    }),
  ),
});
type Worker = z.infer<typeof Worker>;

/**
 * `agent-ticket dev`: broker, sign-in stand-in and record database beside the app in this folder, until a signal. The broker
 * runs in the app's own `wrangler dev` or `vite dev`, since two processes on one folder of data damage it; a worker in front
 * gives it a port. Nothing leaves this machine. The broker's cron trigger does not run: nothing is sealed.
 */
export async function openDev(options: DevOptions, terminal: Terminal, stop: AbortSignal): Promise<ExitCode> {
  const { folder, ports } = options;
  const app = Worker.parse(await terminal.readWorker());
  const broker = await readBroker(folder, terminal);
  requireSameRecord(app, broker, folder);
  const agents = await orUsage(openAgents('agents.ts'));
  await mkdir(DATA, { recursive: true });
  await writeFile(join(DATA, '.gitignore'), '*\n');
  const secrets = await orUsage(loadSecrets(join(DATA, 'secrets.json')));
  await requireAppVars(ports, secrets);
  const identityProvider = await orUsage(
    startIdentityProvider({
      port: ports.identityProvider,
      auth0: { baseUrl: addressOf(ports.broker), logoutUrls: [`${addressOf(ports.app)}/`] },
      stateDir: resolve(DATA, 'identity-provider'),
    }),
  );
  const children: ChildProcess[] = [];
  try {
    await writeVars(
      join(folder, '.dev.vars'),
      varsFile(brokerVars(ports, secrets, options.origins, signInSettings(identityProvider))),
    );
    terminal.err('preparing the databases …\n');
    await prepare(broker, folder, secrets, agents);
    terminal.err('starting …\n');
    children.push(...(await startProcesses(app, broker, folder, ports)));
    // Vite starts its workers anew while it finds their dependencies, and listens afterwards: so the app comes first.
    await untilAnswers(addressOf(ports.app), () => true, children, stop);
    await untilAnswers(`${addressOf(ports.broker)}/readyz`, ({ ok }) => ok, children, stop);
    terminal.out(summary(ports, secrets, agents));
    await Promise.race([aborted(stop), firstEnd(children)]);
    return 0;
  } finally {
    await Promise.all(children.map(end));
    await identityProvider.close();
  }
}

/** What these say is wrong, the caller can mend. */
const orUsage = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  });

async function readBroker(folder: string, terminal: Terminal): Promise<Worker> {
  const path = join(folder, 'wrangler.jsonc');
  if (!existsSync(path) || !existsSync('agents.ts'))
    throw new UsageError(`There is no ${path} or no agents.ts. Make both by: agent-ticket init`);
  return Worker.parse(await terminal.readWorker(path));
}

/** Without it a lock would find no session: the broker and the agents write to one record. */
function requireSameRecord(app: Worker, broker: Worker, folder: string): void {
  const idOf = ({ d1_databases: all }: Worker) =>
    all.find(({ binding }) => binding === 'RECORD')?.database_id;
  if (idOf(app) !== undefined && idOf(app) === idOf(broker)) return;
  throw new UsageError(
    `RECORD in ${app.configPath ?? 'the configuration'} is not the database that ${folder}/wrangler.jsonc binds. Give both the same database_id.`,
  );
}

/** The app's own settings: written where there are none, and left to its author where there are. */
async function requireAppVars(ports: DevPorts, secrets: DevSecrets): Promise<void> {
  const path = '.dev.vars';
  const wanted = appVars(ports);
  const text = existsSync(path) ? await readFile(path, 'utf8') : undefined;
  if (text === undefined || text.startsWith(WRITTEN)) {
    const callbacks = Object.entries(callbackVars(ports.app, secrets)).map((setting) => setting.join('='));
    await writeFile(path, [WRITTEN, ...wanted, ...callbacks, ''].join('\n'), { mode: 0o600 });
    return;
  }
  const lines = text.split(/\r?\n/).map((line) => line.replaceAll('"', '').trim());
  const missing = wanted.filter((line) => !lines.includes(line));
  if (missing.length > 0)
    throw new UsageError(`${path} needs the settings of this broker. Add: ${missing.join(' and ')}`);
}

/** Settings that somebody wrote stay as they are. */
async function writeVars(path: string, text: string): Promise<void> {
  if (existsSync(path) && !(await readFile(path, 'utf8')).startsWith(WRITTEN))
    throw new UsageError(`${path} is not of agent-ticket dev. Move it away: it would be replaced.`);
  await writeFile(path, text, { mode: 0o600 });
}

/** Before anything runs, since two processes on one folder of data damage it. */
async function prepare(
  broker: Worker,
  folder: string,
  secrets: DevSecrets,
  agents: AgentRegistry,
): Promise<void> {
  const pepper = new Uint8Array(Buffer.from(secrets.tokenPepper, 'base64url'));
  const digest = await digestSecret(secrets.adminToken.clientSecret, pepper);
  // The databases alone: of the broker's objects wrangler says at each start that their class is elsewhere.
  const databases = join(DATA, 'databases.json');
  await writeFile(databases, JSON.stringify({ name: 'databases', d1_databases: broker.d1_databases }));
  const { env, dispose } = await openWrangler().getPlatformProxy<Databases>({
    configPath: databases,
    persist: { path: '.wrangler/state/v3' },
  });
  try {
    const migrations = join(folder, 'node_modules/@agent-ticket/broker');
    await migrateD1(env.CONTROL, join(migrations, 'control/migrations'));
    await migrateD1(env.RECORD, join(migrations, 'record/migrations'));
    const rows = seedRows(secrets.adminToken, digest, agents, Date.now());
    await env.CONTROL.batch(rows.map(({ sql, values }) => env.CONTROL.prepare(sql).bind(...values)));
  } finally {
    await dispose();
  }
}

interface Databases {
  readonly CONTROL: D1Database;
  readonly RECORD: D1Database;
}

async function startProcesses(
  app: Worker,
  broker: Worker,
  folder: string,
  ports: DevPorts,
): Promise<ChildProcess[]> {
  const front = join(DATA, 'front');
  await mkdir(front, { recursive: true });
  for (const { name, text } of frontFiles(broker.name ?? 'broker')) await writeFile(join(front, name), text);
  const vite = findVite();
  const own = ['--port', String(ports.app), '--ip', '127.0.0.1'];
  const ofApp =
    vite === undefined
      ? wrangler(
          [
            'dev',
            '--config',
            app.configPath ?? 'wrangler.jsonc',
            '--config',
            join(folder, 'wrangler.jsonc'),
            ...own,
          ],
          'inherit',
        )
      : start([vite, 'dev', '--port', String(ports.app), '--strictPort', '--host', '127.0.0.1'], 'inherit');
  const port = wrangler(
    [
      'dev',
      '--config',
      join(front, 'wrangler.json'),
      '--port',
      String(ports.broker),
      '--ip',
      '127.0.0.1',
      '--inspector-port',
      '0',
      '--show-interactive-dev-session=false',
    ],
    'pipe',
  );
  const log = createWriteStream(join(DATA, 'front.log'));
  port.stdout?.pipe(log, { end: false });
  port.stderr?.pipe(log, { end: false });
  return [ofApp, port];
}

/** The program of Vite, where the app runs in Cloudflare's plugin of it. */
function findVite(): string | undefined {
  const isConfigured = ['ts', 'mts', 'js', 'mjs'].some((ending) => existsSync(`vite.config.${ending}`));
  return isConfigured && isInstalled('@cloudflare/vite-plugin')
    ? programOf('vite', 'bin/vite.js')
    : undefined;
}

const wrangler = (words: readonly string[], output: 'inherit' | 'pipe'): ChildProcess =>
  start([programOf('wrangler', 'bin/wrangler.js'), ...words], output);

const start = (words: readonly string[], output: 'inherit' | 'pipe'): ChildProcess =>
  spawn(process.execPath, words, {
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false' },
    stdio: output === 'inherit' ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  });

const ended = (child: ChildProcess): Promise<number | null> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child.exitCode)
    : new Promise((found) => child.once('close', (code) => found(code)));

async function untilAnswers(
  url: string,
  isReady: (answer: Response) => boolean,
  children: readonly ChildProcess[],
  stop: AbortSignal,
): Promise<void> {
  const until = Date.now() + DEADLINE_MS;
  while (!stop.aborted) {
    if (children.some(({ exitCode }) => exitCode !== null))
      throw new UsageError(
        `A process ended before the broker was ready; ${DATA}/front.log has the output of one.`,
      );
    const answer = await fetch(url, { redirect: 'manual' }).catch((error: unknown) => {
      if (error instanceof TypeError) return undefined;
      throw error;
    });
    if (answer !== undefined && isReady(answer)) return;
    if (Date.now() > until)
      throw new UsageError(
        `${url} is not ready: ${answer === undefined ? 'no answer' : await answer.text()}`,
      );
    await wait(300);
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((done) =>
    signal.aborted ? done() : signal.addEventListener('abort', () => done(), { once: true }),
  );

async function firstEnd(children: readonly ChildProcess[]): Promise<never> {
  await Promise.race(children.map(ended));
  throw new UsageError('A process ended: everything else was stopped.');
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGINT');
  await ended(child);
}

function summary(
  ports: DevPorts,
  { adminToken: { clientId, clientSecret } }: DevSecrets,
  agents: AgentRegistry,
): string {
  const first = agents.find(({ enabled }) => enabled);
  const body = JSON.stringify({ agent: first?.slug, instance: first?.instances?.[0] ?? 'demo' });
  return [
    '',
    `  broker             ${addressOf(ports.broker)}`,
    `  app                ${addressOf(ports.app)}`,
    `  identity provider  ${addressOf(ports.identityProvider)}  (stand-in for Access and Auth0)`,
    '',
    '  The settings of the app, in its .dev.vars:',
    '',
    ...appVars(ports).map((line) => `    ${line}`),
    '',
    '  A ticket:',
    '',
    `curl -sS ${addressOf(ports.broker)}/tickets -u ${clientId}:${clientSecret} -H 'content-type: application/json' -d '${body}'`,
    '',
    '  Ctrl-C ends everything.',
    '',
    '',
  ].join('\n');
}
