import { createGate, RecorderObject } from '@agent-ticket/agent-worker';
import { createBroker } from '@agent-ticket/broker';
import { AGENT_CLASSES, REGISTRY } from './agents.ts';
import { bindD1, createD1 } from './d1.ts';
import type { Sqlite } from './databases.ts';
import { createHost, type Host, invoke } from './objects.ts';
import type { Clock, Life, Link, World } from './world.ts';

export const BROKER = 'https://broker.test';
export const AGENTS = 'https://agents.test';
export const TEAM = 'team.cloudflareaccess.com';
export const ACCESS_AUDIENCE = 'a'.repeat(64);
const KEY = 'A'.repeat(43);

export const SETTINGS = {
  ISSUER: BROKER,
  TICKET_AUDIENCE: 'agents.test',
  AGENT_WORKER_URL: AGENTS,
  KEK: KEY,
  TOKEN_PEPPER: KEY,
  SHARDS: '2',
  CF_ACCESS_TEAM_DOMAIN: TEAM,
  CF_ACCESS_AUD: ACCESS_AUDIENCE,
} as const;

const GATE_SETTINGS = { ISSUER: BROKER, TICKET_AUDIENCE: 'agents.test', AGENT_WORKER_URL: AGENTS } as const;

/** All isolates share the loaded code. The `env` of an isolate refers to the data that the isolate has in memory. */
const gate = createGate(REGISTRY);

/** An isolate of a worker. */
interface Isolate {
  life: Life;
  readonly clock: Clock;
  /** Replaced at each restart. */
  answer: (request: Request) => unknown;
  scheduled: () => unknown;
  env: object;
}

/** A repeated command arrives within so many ms, before the command expires. */
const REPEATED_MS = 25_000;

const fetchFailed = (): Error => new TypeError('fetch failed');

/**
 * The whole deployment on Workers: isolates of the broker and of the agent worker, mint shards, recorders, agents' objects
 * and both databases. All parts run the deployed code. Only the runtime around them is simulated.
 */
export function createDeployment(
  world: World,
  databases: { readonly control: Sqlite; readonly record: Sqlite },
  /** Answers for hosts that are not part of the deployment. */
  elsewhere: (request: Request) => Response,
) {
  const control = createD1(world, 'control', databases.control);
  const record = createD1(world, 'record', databases.record);
  /** `isAway`: broker and agent worker do not reach each other. */
  const between = { isAway: false };
  const attacker = { captures: false };
  const internet: Link = { name: 'internet', usualMs: 30, lost: fetchFailed, isAway: () => false };
  const binding: Link = { name: 'binding', usualMs: 5, lost: fetchFailed, isAway: () => between.isAway };
  const outside = world.startLife('elsewhere');
  const hosts = new Map<string, Host>();

  const brokers = [0, 1].map((index) => isolateOf(`broker ${index}`));
  const gates = [0, 1].map((index) => isolateOf(`gate ${index}`));
  const anyOf = <Item>(items: readonly Item[]): Item => {
    const item = items[world.random(world.current().name).below(items.length)];
    if (item === undefined) throw new Error('there is none');
    return item;
  };

  function isolateOf(name: string): Isolate {
    const clock = { ahead: 0 };
    return {
      clock,
      life: world.startLife(name, clock),
      env: {},
      answer: () => new Response(null, { status: 503 }),
      scheduled: () => undefined,
    };
  }

  const shards = createHost({
    world,
    name: 'MINT_SHARD',
    construct: (ctx) =>
      Reflect.construct(createBroker({ agents: REGISTRY }).MintShardObject, [ctx, brokerEnv()]),
    place: () => anyOf(brokers).clock,
  });
  const recorders = createHost({
    world,
    name: 'RECORDER',
    construct: (ctx) => Reflect.construct(RecorderObject, [ctx, { RECORD: bindD1(world, record) }]),
    place: () => anyOf(gates).clock,
  });
  hosts.set('MINT_SHARD', shards).set('RECORDER', recorders);
  for (const { bindingKey, Class } of AGENT_CLASSES) {
    const host: Host = createHost({
      world,
      name: bindingKey,
      // With the env of a gate, because objects and gates of one worker share isolates.
      construct: (ctx) => Reflect.construct(Class, [ctx, anyOf(gates).env]),
      place: () => anyOf(gates).clock,
    });
    hosts.set(bindingKey, host);
  }

  const brokerEnv = () => ({
    ...SETTINGS,
    CONTROL: bindD1(world, control),
    RECORD: bindD1(world, record),
    MINT_SHARD: shards.bind(),
  });

  /** A request to one of the isolates of a worker. */
  const askAny = (link: Link, isolates: readonly Isolate[], request: Request): Promise<Response> => {
    const isolate = anyOf(isolates);
    const { pathname } = new URL(request.url);
    return world.call(
      link,
      `${request.method} ${pathname}`,
      () => isolate.life,
      async () => {
        const answer = await isolate.answer(request);
        if (!(answer instanceof Response)) throw new Error('no answer');
        return answer;
      },
    );
  };
  const requestOf = (input: string | URL | Request, init?: RequestInit): Request => new Request(input, init);

  function startBroker(isolate: Isolate): void {
    const env = brokerEnv();
    const broker = createBroker({ agents: REGISTRY });
    isolate.env = env;
    isolate.answer = (request) => invoke(broker.handler, 'fetch', [request, env]);
    isolate.scheduled = () => invoke(broker.handler, 'scheduled', [{}, env]);
  }

  function startGate(isolate: Isolate): void {
    const env = {
      ...GATE_SETTINGS,
      RECORD: bindD1(world, record),
      RECORDER: recorders.bind(),
      BROKER: {
        fetch: (input: string | URL | Request, init?: RequestInit) =>
          askAny(binding, brokers, requestOf(input, init)),
      },
      ...Object.fromEntries(
        AGENT_CLASSES.map(({ bindingKey }) => [bindingKey, hosts.get(bindingKey)?.bind()]),
      ),
    };
    isolate.env = env;
    isolate.answer = (request) => Reflect.apply(gate, undefined, [request, env]);
  }

  for (const each of brokers) startBroker(each);
  for (const each of gates) startGate(each);

  /** Ends the work of an isolate and discards its memory. The next request reaches a new isolate. */
  function restart(isolate: Isolate): void {
    world.endLife(isolate.life, fetchFailed());
    isolate.life = world.startLife(isolate.life.name, isolate.clock);
    if (brokers.includes(isolate)) startBroker(isolate);
    else startGate(isolate);
  }

  /** An attacker delivers some captured commands a second time, late. */
  function repeatLater(request: Request): void {
    const stream = world.random(world.current().name);
    const [isRepeated, ms] = [stream.chance(0.5), stream.below(REPEATED_MS)];
    if (!isRepeated || !attacker.captures) return;
    const again = request.clone();
    world.later(ms, outside, 'command again', () => askAny(internet, gates, again).catch(() => {}));
  }

  return {
    control,
    record,
    between,
    attacker,
    brokers,
    gates,
    hosts,
    restart,
    hostOf: (slug: string): Host | undefined =>
      hosts.get(REGISTRY.find((entry) => entry.slug === slug)?.bindingKey ?? ''),
    /** The network for the parts of the deployment and for clients. */
    fetch(request: Request): Promise<Response> {
      const { origin, pathname } = new URL(request.url);
      const isInside = [...brokers, ...gates].some(({ life }) => life === world.current());
      const link = isInside ? { ...internet, isAway: () => between.isAway } : internet;
      if (origin === BROKER) return askAny(link, brokers, request);
      if (origin === AGENTS && pathname === '/control') repeatLater(request);
      if (origin === AGENTS) return askAny(link, gates, request);
      return world.call(
        internet,
        request.url,
        () => outside,
        () => elsewhere(request),
      );
    },
    close(): void {
      for (const host of hosts.values()) host.close();
    },
  };
}
export type Deployment = ReturnType<typeof createDeployment>;
