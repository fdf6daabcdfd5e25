import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { digestSecret } from '@agent-ticket/broker/src/credentials/secret.ts';
import { openAgents } from '@agent-ticket/broker/src/runtime/node/open-agents.ts';
import { repeat, wait } from '@agent-ticket/broker/src/runtime/node/repeat.ts';
import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import type { D1Database } from '@cloudflare/workers-types';
import * as z from 'zod';
import { type DevOptions, type DevPorts, type ExitCode, type Terminal, UsageError } from './command.ts';
import {
  addressOf,
  brokerVars,
  frontFiles,
  type SeededPerson,
  scheduleUrl,
  seedRows,
  summary,
  varsFile,
} from './dev-files.ts';
import { hasCode } from './error-code.ts';
import { seededPeople, signInSettings, startIdentityProvider } from './identity-provider/start.ts';
import { requireWritten, writeAppVars } from './open-dev-settings.ts';
import { migrateD1 } from './open-migrations.ts';
import { type DevSecrets, loadSecrets } from './open-secrets.ts';
import { isInstalled, openWrangler, programOf } from './open-wrangler.ts';

/** Data of the development stack, beside the app's own in `.wrangler`. */
const DATA = '.agent-ticket';

const DEADLINE_MS = 120_000;
const MINUTE_MS = 60_000;

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
 * gives it a port, and runs its schedule. Nothing leaves this machine. Nothing is written while a port is in use.
 */
export async function openDev(options: DevOptions, terminal: Terminal, stop: AbortSignal): Promise<ExitCode> {
  const { folder, ports } = options;
  const app = Worker.parse(await terminal.readWorker());
  const broker = await readBroker(folder, terminal);
  requireSameRecord(app, broker, folder);
  const agents = await orUsage(openAgents('agents.ts'));
  await requireFreePorts(ports);
  const brokerFile = join(folder, '.dev.vars');
  await requireWritten(brokerFile);
  await mkdir(DATA, { recursive: true });
  await writeFile(join(DATA, '.gitignore'), '*\n');
  const secrets = await orUsage(loadSecrets(join(DATA, 'secrets.json')));
  await writeAppVars(options, secrets, terminal);
  const identityProvider = await orUsage(
    startIdentityProvider({
      port: ports.identityProvider,
      auth0: { baseUrl: addressOf(ports.broker), logoutUrls: [`${addressOf(ports.app)}/`] },
      stateDir: resolve(DATA, 'identity-provider'),
    }),
  );
  const children: ChildProcess[] = [];
  try {
    const settings = brokerVars(ports, secrets, options.origins, signInSettings(identityProvider));
    await writeFile(brokerFile, varsFile(settings), { mode: 0o600 });
    terminal.err('preparing the databases …\n');
    await prepare(broker, folder, secrets, agents, seededPeople(identityProvider));
    terminal.err('starting …\n');
    children.push(...(await startProcesses(app, broker, folder, ports)));
    // Vite starts its workers anew while it finds their dependencies, and listens afterwards: so the app comes first.
    await untilAnswers(addressOf(ports.app), () => true, children, stop);
    await untilAnswers(`${addressOf(ports.broker)}/readyz`, ({ ok }) => ok, children, stop);
    const schedule = repeat(() => runSchedule(ports, stop, terminal), MINUTE_MS, {
      clock: () => performance.now(),
      wait,
    });
    try {
      terminal.out(summary(options, secrets, agents));
      await Promise.race([aborted(stop), firstEnd(children)]);
      return 0;
    } finally {
      await schedule.stop();
    }
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

/** Before anything is written: wrangler would take another port, which no setting names. */
async function requireFreePorts({ app, broker, identityProvider }: DevPorts): Promise<void> {
  for (const [port, flag] of [
    [app, '--port'],
    [broker, '--broker-port'],
    [identityProvider, '--identity-provider-port'],
  ] as const)
    if (await isInUse(port))
      throw new UsageError(
        `The port ${port} is in use. End what listens there, or name another one by ${flag}.`,
      );
}

const isInUse = (port: number): Promise<boolean> =>
  new Promise((found, failed) => {
    const server = createServer();
    server.once('error', (error) => (hasCode(error, 'EADDRINUSE') ? found(true) : failed(error)));
    server.listen(port, '127.0.0.1', () => server.close(() => found(false)));
  });

/** Before anything runs, since two processes on one folder of data damage it. */
async function prepare(
  broker: Worker,
  folder: string,
  secrets: DevSecrets,
  agents: AgentRegistry,
  people: readonly SeededPerson[],
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
    const rows = seedRows(secrets.adminToken, digest, agents, people, Date.now());
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
    await pause(300);
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

/**
 * What the cron trigger does in a deployment: delivers, compares registries, rotates, seals. A run that fails is one line;
 * the next one comes a minute later.
 */
async function runSchedule(ports: DevPorts, stop: AbortSignal, terminal: Terminal): Promise<void> {
  const why = await fetch(scheduleUrl(ports), { signal: stop }).then(
    ({ ok, status }) => (ok ? undefined : `answer ${status}`),
    (error: unknown) => {
      if (stop.aborted) return undefined;
      if (error instanceof TypeError) return 'no answer';
      throw error;
    },
  );
  if (why !== undefined) terminal.err(`The schedule of the broker did not run (${why}).\n`);
}
