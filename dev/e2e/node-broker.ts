import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openControl } from '@agent-ticket/drizzle/open-libsql.ts';
import { callbackVars, DEV_AUDIENCE } from 'agent-ticket/src/dev-files.ts';
import { type DevSecrets, makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { ROOT } from '../quiet-environment.ts';
import { migrate } from '../start/migrations.ts';
import { seed } from '../start/seed.ts';
import { startWorkers } from '../start/workers.ts';
import { freePorts } from './free-ports.ts';

/** A broker on Node with its own database files, and an agent worker that calls it over HTTP only. */
export interface NodeStack {
  readonly broker: string;
  readonly agentWorker: string;
  readonly secrets: DevSecrets;
  /** The number of sessions that the agent worker's record has of an instance: a command finds those. */
  countRecorded(instance: string): Promise<number>;
  /** Stops the broker as an operator does, runs `work`, and starts it again on the same files. */
  whileDown<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export async function startNodeStack(): Promise<NodeStack> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-node-'));
  const ports = await freePorts();
  const broker = `http://127.0.0.1:${ports.broker}`;
  const agentWorker = `http://127.0.0.1:${ports.agentWorker}`;
  const secrets = makeSecrets();
  const common = {
    ISSUER: broker,
    TICKET_AUDIENCE: DEV_AUDIENCE,
    ALLOWED_ORIGINS: agentWorker,
    MODE: 'development',
  };

  const control = await openControl(`file:${folder}/control.db`);
  await seed(control.store, secrets, Date.now());
  await control.close();

  const start = () =>
    startBroker(
      {
        ...common,
        AGENT_WORKER_URL: agentWorker,
        KEK: secrets.keyEncryptionKey,
        TOKEN_PEPPER: secrets.tokenPepper,
        PORT: String(ports.broker),
      },
      folder,
    );
  let running = await start();
  const workers = await startWorkers({
    onLog: () => {},
    workers: [
      {
        name: 'agent-worker',
        port: ports.agentWorker,
        isAlone: true,
        settings: {
          ...common,
          ...callbackVars(ports.agentWorker, secrets),
          BROKER_JWKS_URL: `${broker}/.well-known/jwks.json`,
        },
      },
    ],
  });
  const record = await workers.getD1Database('RECORD', 'agent-worker');
  await migrate(record, 'record');
  return {
    broker,
    agentWorker,
    secrets,
    async countRecorded(instance) {
      const sessions = record.prepare('SELECT id FROM agent_sessions WHERE instance_id = ?').bind(instance);
      return (await sessions.all()).results.length;
    },
    async whileDown(work) {
      await running.stop();
      try {
        return await work();
      } finally {
        running = await start();
      }
    },
    async close() {
      await Promise.all([running.stop(), workers.dispose()]);
      await rm(folder, { recursive: true });
    },
  };
}

/**
 * As `npm run start:node -w broker` does, with its database files in `folder`. Resolves when it listens; rejects with its
 * output when it exits before.
 */
export async function startBroker(
  settings: Readonly<Record<string, string>>,
  folder: string,
): Promise<{ stop(): Promise<void> }> {
  await mkdir(folder, { recursive: true });
  const child = spawn(process.execPath, [`${ROOT}broker/src/node.ts`], {
    cwd: folder,
    env: { PATH: process.env.PATH, AGENTS: `${ROOT}agents.ts`, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const [line] = await Promise.race([once(child.stdout, 'data'), ended]);
  if (!String(line).includes('"event":"started"')) throw new Error(`the broker did not start: ${line}`);
  child.stdout.resume();
  return {
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
