import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Hono } from 'hono';
import { AGENTS } from '../../../agents.ts';
import { readConfig } from '../../src/config/config.ts';
import { createMeter } from '../../src/metrics/meter.ts';
import { mintShardInProcess } from '../../src/mint/shard-node.ts';
import { compose, type Runtime } from '../../src/runtime/compose.ts';
import type { BrokerPorts } from '../../src/runtime/ports.ts';
import type { Message, PostResult } from '../../src/webhooks/post.ts';
import { checkedApp } from '../openapi.ts';
import { openFiles } from './folder.ts';
import { insertGrant, insertServiceToken, type ServiceToken, type TokenWish } from './service-token.ts';

/** 2027-01-15T08:00:00Z. */
export const NOW = 1_800_000_000;

export const BROKER = 'https://broker.test';
export const AGENTS_AT = 'https://agents.test';
export const COUNTER = `${AGENTS_AT}/agents/counter/main`;

const KEY = 'A'.repeat(43);
const bytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));

export const SETTINGS = {
  ISSUER: BROKER,
  TICKET_AUDIENCE: 'agents.test',
  AGENT_WORKER_URL: AGENTS_AT,
  KEK: KEY,
  TOKEN_PEPPER: KEY,
  ALLOWED_ORIGINS: 'https://app.test',
};

export interface StartedBroker {
  readonly app: Hono;
  readonly ports: BrokerPorts;
  /** Audit events, oldest first. */
  readonly events: readonly AuditEvent[];
  /** Lines of the log, oldest first. */
  readonly logged: readonly Readonly<Record<string, unknown>>[];
  /** Addresses that were asked for, oldest first. */
  readonly fetched: readonly string[];
  /** Receivers of webhooks, by address. Nothing answers elsewhere. */
  readonly receivers: Map<string, (message: Message) => PostResult | Promise<PostResult>>;
  /** Commands sent to the agent worker. */
  readonly commands: readonly string[];
  /** Where the database files lie. */
  readonly folder: string;
  readonly runtime: Runtime;
  /** Another broker on the same databases, with other parts. */
  beside(parts: Partial<Runtime>): Hono;
  /** Seconds since 1970; starts at {@link NOW}. */
  readonly clock: { now: number };
  /** From where everybody calls. */
  readonly caller: { address: string };
  post(path: string, body: Record<string, string>, headers?: Record<string, string>): Promise<Response>;
  makeServiceToken(wish?: TokenWish): Promise<ServiceToken>;
  grant(subject: string, agent: string, role: string): Promise<void>;
}

/** What answers at an address: a document, or a function over the request. */
export type Web = Readonly<
  Record<string, object | ((init: { readonly body?: string }) => Response | Promise<Response>)>
>;

/** The whole broker in this process, on libSQL files and a clock of its own; only the addresses of `web` answer. */
export async function startNodeBroker(
  settings: Readonly<Record<string, string>> = {},
  web: Web = {},
): Promise<StartedBroker> {
  const config = readConfig({ ...SETTINGS, ...settings });
  const { folder, control, record } = await openFiles();
  const clock = { now: NOW };
  const caller = { address: '192.0.2.1' };
  const [events, fetched, commands]: [AuditEvent[], string[], string[]] = [[], [], []];
  const logged: Readonly<Record<string, unknown>>[] = [];
  const meter = createMeter();
  const receivers: StartedBroker['receivers'] = new Map();
  const runtime: Runtime = {
    measure: meter.measure,
    metricsText: meter.text,
    post: async (url, message) => receivers.get(url)?.(message) ?? { fault: 'unreachable' },
    control: control.store,
    record: watched(record.store, events),
    sendControl: async (_worker, token) => {
      commands.push(token);
      return Response.json({ closed: 0, objects: 0, unreachable: 0, pending: 0, ms: 0 });
    },
    shard: mintShardInProcess(
      { registry: AGENTS, control: control.store, config, randomId: () => crypto.randomUUID() },
      watched(record.store, events),
      () => clock.now * 1000,
    ),
    ping: { control: () => control.ping(), record: () => record.ping() },
    fetch: async (url, init) => {
      fetched.push(url);
      const there = web[url];
      if (there === undefined) throw new TypeError(`nothing answers at ${url}`);
      return typeof there === 'function' ? there(init) : Response.json(there);
    },
    sleep: async () => {
      // A fixed clock would wait for ever.
      clock.now += 1;
    },
    clock: () => clock.now * 1000,
    randomId: () => crypto.randomUUID(),
    randomBytes: bytes,
    addressOf: () => caller.address,
    isByTls: ({ url }) => url.startsWith('https:'),
    later: (work) => {
      work.catch(() => {});
    },
    log: (line) => {
      logged.push(line);
    },
  };
  const ports = compose(config, AGENTS, runtime);
  const app = checkedApp(ports);
  return {
    app,
    ports,
    events,
    logged,
    fetched,
    receivers,
    commands,
    folder,
    runtime,
    beside: (parts) => checkedApp(compose(config, AGENTS, { ...runtime, ...parts })),
    clock,
    caller,
    post: async (path, body, headers = {}) =>
      app.request(`${BROKER}${path}`, { method: 'POST', headers, body: new URLSearchParams(body) }),
    makeServiceToken: (wish = {}) => insertServiceToken(control.store, config.tokenPepper, wish),
    grant: (subject, agent, role) => insertGrant(control.store, subject, agent, role),
  };
}

/** The record database, with the events that were written to it at hand: by a mint, and with a change. */
function watched(record: RecordStore, events: AuditEvent[]): RecordStore {
  return {
    ...record,
    rates: {
      ...record.rates,
      async count(counted, now, windowMs) {
        const window = await record.rates.count(counted, now, windowMs);
        if (window.count <= counted.limit && counted.event !== undefined) events.push(counted.event);
        return window;
      },
      async write(event) {
        await record.rates.write(event);
        events.push(event);
      },
    },
    async deliverChange(event, revocations) {
      await record.deliverChange(event, revocations);
      events.push(event);
    },
  };
}

export const basic = (id: string, secret: string): { authorization: string } => ({
  authorization: `Basic ${btoa(`${id}:${secret}`)}`,
});

/** A lock of which no command is sent to live sockets. */
export async function lockAt({ ports: { control } }: StartedBroker, target: string): Promise<void> {
  const id = crypto.randomUUID();
  const at = NOW * 1000;
  const row = {
    target,
    kind: 'any',
    until: null,
    code: 'locked',
    reason: 'test',
    createdBy: 'test',
  } as const;
  await control.change({
    event: { eventId: id, at, type: 'lock.created', outcome: 'success' },
    revocations: [{ id, ...row, createdAt: at }],
    dueAt: Number.MAX_SAFE_INTEGER,
  });
  await control.outbox.done(id);
}
