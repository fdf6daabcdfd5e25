import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { build } from 'esbuild';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { freePorts } from '../e2e/free-ports.ts';
import { startBroker } from '../e2e/node-broker.ts';
import { startWorkers } from '../start/workers.ts';
import { startNodeFloor } from './floor/start-node.ts';
import type { Measure } from './rounds.ts';
import type { Row } from './row.ts';
import type { Servers } from './servers.ts';

/** From the start of a process to its first answer. The broker on Node has databases and keys of an earlier start. */

interface Running {
  readonly url: string;
  close(): Promise<unknown>;
}

/** Starts, asks once and ends, in each round anew. */
const startsOf =
  (start: () => Promise<Running>): Measure =>
  async () => {
    const begin = performance.now();
    const running = await start();
    const answer = await fetch(running.url);
    await answer.arrayBuffer();
    const took = performance.now() - begin;
    await running.close();
    if (!answer.ok) throw new Error(`the first answer was ${answer.status}`);
    return took;
  };

async function settingsOfBroker() {
  const { broker: port } = await freePorts();
  const { keyEncryptionKey: KEK, tokenPepper: TOKEN_PEPPER } = makeSecrets();
  const ISSUER = `http://127.0.0.1:${port}`;
  const settings = { ISSUER, TICKET_AUDIENCE: 'agents.local', AGENT_WORKER_URL: ISSUER, KEK, TOKEN_PEPPER };
  return { port, url: `${ISSUER}/healthz`, settings };
}

async function nodeBroker(servers: Servers): Promise<Measure> {
  const { port, url, settings } = await settingsOfBroker();
  const folder = servers.newFolder();
  const start = () => startBroker({ ...settings, PORT: String(port) }, folder);
  await (await start()).stop();
  return startsOf(async () => {
    const { stop } = await start();
    return { url, close: stop };
  });
}

const nodeFloor = async (): Promise<Measure> =>
  startsOf(async () => {
    const floor = await startNodeFloor();
    return { ...floor, url: `${floor.url}/token` };
  });

async function workerdBroker(): Promise<Measure> {
  const { port, url, settings } = await settingsOfBroker();
  const workers = [{ name: 'broker', port, settings }] as const;
  return startsOf(async () => {
    const running = await startWorkers({ workers, onLog: () => {} });
    return { url, close: () => running.dispose() };
  });
}

/** A Worker of hono alone, with one route. */
const BARE_HONO = `import { Hono } from 'hono'; export default new Hono().get('/', (c) => c.text('ok'));`;

async function workerdFloor(): Promise<Measure> {
  const stdin = { contents: BARE_HONO, resolveDir: import.meta.dirname };
  const { outputFiles } = await build({ stdin, bundle: true, minify: true, write: false, format: 'esm' });
  const script = outputFiles[0]?.text ?? '';
  return startsOf(async () => {
    const floor = new Miniflare(
      convertV4MiniflareOptions({ host: '127.0.0.1', port: 0, cf: false, modules: true, script }),
    );
    return { url: String(await floor.ready), close: () => floor.dispose() };
  });
}

export const startRows: readonly Row[] = [
  {
    name: 'start-node',
    does: 'start of the broker on Node to its first answer',
    unit: 'ms',
    better: 'less',
    isQuick: true,
    ours: nodeBroker,
    floors: [{ trips: 'none', does: 'start of hono and jose on Node', prepare: nodeFloor }],
  },
  {
    name: 'start-workerd',
    does: 'start of workerd with the broker to its first answer',
    unit: 'ms',
    better: 'less',
    isQuick: true,
    ours: workerdBroker,
    floors: [{ trips: 'none', does: 'start of workerd with hono alone', prepare: workerdFloor }],
  },
];
