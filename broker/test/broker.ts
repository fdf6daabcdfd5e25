import { env } from 'cloudflare:workers';
import { openControl } from '@agent-ticket/drizzle/control/open-d1.ts';
import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { vi } from 'vitest';
import { AGENTS } from '../../agents.ts';
import { createApp } from '../src/app.ts';
import { readConfig, type SettingsInCode } from '../src/config/config.ts';
import { coalescedRead } from '../src/mint/coalesced-read.ts';
import { decideBatch, decideTicket } from '../src/mint/decide-ticket.ts';
import { DEFAULT_SHARDS, type MintPorts, type MintShard } from '../src/mint/shard.ts';
import { mintShards } from '../src/mint/shard-object.ts';
import { compose, type Runtime } from '../src/runtime/compose.ts';
import type { BrokerPorts } from '../src/runtime/ports.ts';
import { postByFetch } from '../src/webhooks/post.ts';
import type { Front } from './call.ts';
import { outbound } from './outbound.ts';
import { printed } from './printed.ts';
import { recordIn } from './record.ts';
import { SETTINGS } from './settings.ts';

/** A broker beside the worker that ships: same code, other settings, databases or registry. */
interface BrokerOptions {
  readonly settings?: Readonly<Record<string, string>>;
  readonly inCode?: SettingsInCode;
  /** Settings to do without. */
  readonly unset?: readonly (keyof typeof SETTINGS)[];
  readonly control?: D1Database;
  readonly record?: D1Database;
  readonly runtime?: Partial<Runtime>;
  readonly ports?: Partial<BrokerPorts>;
}

export interface Broker {
  readonly front: Front;
  readonly app: ReturnType<typeof createApp>;
  readonly ports: BrokerPorts;
  /** What it logged, as it would be printed. */
  readonly logged: string[];
  /** Waits for what runs beside the answers. */
  settled(): Promise<void>;
}

async function ping(database: D1Database): Promise<void> {
  await database.prepare('SELECT 1').first();
}

export function startBroker(options: BrokerOptions = {}): Broker {
  const logged: string[] = [];
  const beside: Promise<void>[] = [];
  const control = options.control ?? env.CONTROL;
  const record = options.record ?? env.RECORD;
  const ports = compose(readConfig(settingsOf(options), options.inCode), AGENTS, {
    control: openControl(control),
    record: openRecord(record),
    sendControl: () => outbound.fetch(`${SETTINGS.AGENT_WORKER_URL}/control`),
    // The real objects have the worker's own settings and databases.
    shard: [options.control, options.settings, options.unset, options.ports?.registry].every(
      (own) => own === undefined,
    )
      ? mintShards(env.MINT_SHARD, DEFAULT_SHARDS)
      : shardOn(control, options),
    ping: { control: () => ping(control), record: () => ping(record) },
    fetch: (url) => outbound.fetch(url),
    measure: () => {},
    post: postByFetch((url) => outbound.fetch(url)),
    // Waiting turns the clock by hand, so that no test does.
    sleep: async (ms) => {
      vi.setSystemTime(Date.now() + ms);
    },
    clock: () => Date.now(),
    randomId: () => crypto.randomUUID(),
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    addressOf: (request) => request.headers.get('cf-connecting-ip'),
    isByTls: ({ url }) => url.startsWith('https:'),
    later: (work) => {
      beside.push(work.catch(() => {}));
    },
    log: (event) => {
      const line = JSON.stringify(event);
      logged.push(line);
      printed.push(line);
    },
    ...options.runtime,
  });
  const all = { ...ports, ...options.ports };
  const app = createApp(all);
  return {
    front: (request) => app.fetch(request),
    app,
    ports: all,
    logged,
    settled: async () => {
      await Promise.all(beside);
    },
  };
}

/** A mint shard with settings, a registry or a control database of its own; it counts and records in the real objects. */
function shardOn(control: D1Database, options: BrokerOptions): MintShard {
  const shards = mintShards(env.MINT_SHARD, DEFAULT_SHARDS);
  const store = openControl(control);
  const readFacts = coalescedRead(store.readMintFacts);
  const portsOf = (account: string): MintPorts => ({
    registry: options.ports?.registry ?? AGENTS,
    control: store,
    readFacts,
    config: readConfig(settingsOf(options), options.inCode),
    randomId: () => crypto.randomUUID(),
    record: { write: (entry) => recordIn(account, entry) },
  });
  return {
    ...shards,
    mint: (account, order) => orUnavailable(decideTicket(order, portsOf(account))),
    mintBatch: (account, batch) => orUnavailable(decideBatch(batch, portsOf(account))),
  };
}

async function orUnavailable<T>(answer: Promise<T>): Promise<T | { kind: 'unavailable' }> {
  try {
    return await answer;
  } catch (error) {
    if (!isOutage(error)) throw error;
    printed.push(JSON.stringify({ event: 'outage', at: 'mint' }));
    return { kind: 'unavailable' };
  }
}

const settingsOf = ({ settings = {}, unset = [] }: BrokerOptions): Record<string, string> =>
  Object.fromEntries(
    Object.entries({ ...SETTINGS, ...settings }).filter(([name]) => unset.every((one) => one !== name)),
  );
