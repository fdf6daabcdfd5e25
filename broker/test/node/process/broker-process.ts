import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openControl, openRecord } from '@agent-ticket/drizzle/open-libsql.ts';
import { base64url } from 'jose';
import { atEnd, makeFolder } from '../folder.ts';
import { insertGrant, insertServiceToken, type ServiceToken, type TokenWish } from '../service-token.ts';
import { basic, SETTINGS } from '../start-broker.ts';

export const ENTRY = join(import.meta.dirname, '../../../src/node.ts');

type Settings = Readonly<Record<string, string>>;

export interface BrokerProcess {
  readonly url: string;
  /** What it wrote, one event a line. */
  readonly lines: readonly string[];
  signal(signal: NodeJS.Signals): void;
  /** Code and signal that it ended with. */
  readonly ended: Promise<readonly [number | null, NodeJS.Signals | null]>;
}

/** The settings of a broker on two files of one folder, on a port of its own. */
export const settingsIn = (folder: string, more: Settings = {}): Settings => ({
  ...SETTINGS,
  AGENTS: join(import.meta.dirname, '../../../../agents.ts'),
  CONTROL_DATABASE_URL: `file:${folder}/control.db`,
  RECORD_DATABASE_URL: `file:${folder}/record.db`,
  PORT: '0',
  ...more,
});

/** The broker as `npm run start:node -w broker` starts it; killed at the end if it is still there. */
export function spawnBroker(settings: Settings) {
  const child = spawn(process.execPath, [ENTRY], {
    env: { PATH: process.env.PATH, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  atEnd(() => {
    child.kill('SIGKILL');
  });
  const lines: string[] = [];
  const said = createInterface({ input: child.stdout });
  said.on('line', (line) => lines.push(line));
  const ended = once(child, 'close').then(([code, signal]) => [code, signal] as const);
  return { lines, said, ended, signal: (signal: NodeJS.Signals) => void child.kill(signal) };
}

/** Rejects with what it said when it does not start. */
export async function startBroker(settings: Settings): Promise<BrokerProcess> {
  const { lines, said, ended, signal } = spawnBroker(settings);
  // Other lines may come first, about what the start finds in the databases.
  const startedAt = () => lines.find((line) => line.startsWith('{"event":"started"'));
  const listens = new Promise<void>((resolve) => {
    said.on('line', () => startedAt() !== undefined && resolve());
  });
  await Promise.race([listens, ended]);
  const started: unknown = JSON.parse(startedAt() ?? 'null');
  if (
    typeof started !== 'object' ||
    started === null ||
    !('url' in started) ||
    typeof started.url !== 'string'
  )
    throw new Error(`not started: ${lines.join(' ')}`);
  return { url: started.url, lines, signal, ended };
}

/** A folder with both databases made, and a service token in them. */
export async function newHome(wish: TokenWish = {}): Promise<{ folder: string; token: ServiceToken }> {
  const folder = await makeFolder();
  return { folder, token: await makeDatabases(folder, wish) };
}

/** Makes both databases in a folder. Answers a service token in them. */
export async function makeDatabases(folder: string, wish: TokenWish = {}): Promise<ServiceToken> {
  await (await openRecord(`file:${folder}/record.db`)).close();
  const control = await openControl(`file:${folder}/control.db`);
  const pepper = new Uint8Array(base64url.decode(SETTINGS.TOKEN_PEPPER));
  const token = await insertServiceToken(control.store, pepper, wish);
  await insertGrant(control.store, `token:${token.id}`, 'counter', 'admin');
  await control.close();
  return token;
}

export const mintAt = (url: string, token: ServiceToken, headers: Settings = {}): Promise<Response> =>
  fetch(`${url}/tickets`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...basic(token.clientId, token.clientSecret), ...headers },
    body: JSON.stringify({ agent: 'counter' }),
  });

/** Mints like a client that obeys `retry-after`: a busy machine may refuse a mint for a while. */
export async function mintPatiently(...request: Parameters<typeof mintAt>): Promise<Response> {
  for (;;) {
    const answer = await mintAt(...request);
    if (answer.status !== 503) return answer;
    await answer.body?.cancel();
  }
}

/** Everything in the log of a folder, in order of arrival, read by a process of its own. */
export async function eventsIn(folder: string) {
  const record = await openRecord(`file:${folder}/record.db`);
  try {
    return await record.store.auditLog.arrivals(0, 100_000);
  } finally {
    await record.close();
  }
}
