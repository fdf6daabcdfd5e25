import { WorkerEntrypoint, waitUntil } from 'cloudflare:workers';
import { openControl } from '@agent-ticket/drizzle/control/open-d1.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { BacklogReport } from '@agent-ticket/shared/backlog-report.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { measureByPoints } from '@agent-ticket/shared/metrics.ts';
import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import { logWithPoints, type PointSink } from '@agent-ticket/shared/security-events.ts';
import type { Hono } from 'hono';
import { createApp } from './app.ts';
import type { AnchorBucket } from './audit/anchor.ts';
import { type ArchiveBucket, bucketArchive } from './audit/archive-store.ts';
import { readConfig } from './config/config.ts';
import type { WorkersByName } from './config/workers.ts';
import { renderError } from './http/answer.ts';
import { MintShardObject, mintShards, type ShardEnv } from './mint/shard-object.ts';
import { mountApps, placeOf } from './mount.ts';
import { readBody } from './runtime/body.ts';
import { compose } from './runtime/compose.ts';
import { openWeb } from './runtime/open-web.ts';
import type { BrokerPorts } from './runtime/ports.ts';
import { runArchive, runScheduled } from './runtime/scheduled.ts';

/** Bindings of the broker on Workers. Settings and secrets are in the same env. */
export interface BrokerEnv extends ShardEnv {
  readonly MINT_SHARD: DurableObjectNamespace<MintShardObject>;
  /** Analytics Engine, where it is bound. */
  readonly SECURITY_EVENTS?: PointSink | undefined;
  /** Analytics Engine for the series of metrics, where it is bound. */
  readonly METRICS?: PointSink | undefined;
  /** A bucket that keeps checkpoints of the audit log as well, where it is bound. */
  readonly AUDIT_ANCHOR?: AnchorBucket | undefined;
  /** A bucket that older events of the audit log move to, where it is bound. */
  readonly AUDIT_ARCHIVE?: ArchiveBucket | undefined;
  /** The files of the operator's console, where they are bound. */
  readonly CONSOLE?: Fetcher | undefined;
  /** The worker itself, where the broker is mounted in it. */
  readonly BROKER?: Fetcher | undefined;
}

/** What a deployment says of its broker in code. Everything else is a setting. */
export interface BrokerOptions {
  /** The agents of all workers that this broker makes tickets for, from `defineAgents`. */
  readonly agents: AgentRegistry;
  /**
   * The agent workers that agents name, each with its origin and its audience: in place of the setting `WORKERS`. Left
   * out where there is one, which `AGENT_WORKER_URL` and `TICKET_AUDIENCE` describe.
   */
  readonly workers?: WorkersByName;
  readonly basePath?: undefined;
}

/** What the worker of the agents says of the broker that is mounted in it. */
export interface MountOptions {
  readonly agents: AgentRegistry;
  /** Path of the issuer, such as `/broker`: the broker answers what is below it. */
  readonly basePath: string;
  readonly workers?: undefined;
}

/** Bindings of a worker with a mounted broker. */
export interface MountedEnv extends BrokerEnv {
  /** This worker itself: keys and commands go between gate and broker without the network. */
  readonly BROKER: Fetcher;
}

/** Classes that the entry file exports by their names, since `wrangler.jsonc` names them. */
interface BrokerClasses {
  readonly MintShardObject: new (ctx: DurableObjectState, env: ShardEnv) => MintShardObject;
  readonly Backlog: new (ctx: ExecutionContext, env: BrokerEnv) => WorkerEntrypoint<BrokerEnv>;
}

/** Each minute, by the trigger in wrangler.jsonc. */
type Scheduled = (controller: ScheduledController, env: BrokerEnv) => Promise<void>;

/** The exports of a broker's entry file. */
export interface Broker extends BrokerClasses {
  /** The module's default export. */
  readonly handler: {
    readonly fetch: (request: Request, env: BrokerEnv) => Response | Promise<Response>;
    readonly scheduled: Scheduled;
  };
}

/** A broker beside the gate, in the entry file of the agents. */
export interface MountedBroker extends BrokerClasses {
  /**
   * Answers what is the broker's, and `undefined` for everything else. Comes before the gate: on the hostname of
   * `BASE_URL` nothing but the broker may answer.
   */
  readonly answer: (request: Request, env: MountedEnv) => Response | Promise<Response> | undefined;
  readonly scheduled: Scheduled;
}

const log = (event: Readonly<Record<string, unknown>>): void => console.log(JSON.stringify(event));

/**
 * The broker on Workers, alone or, with a `basePath`, in the worker of its agents. A setting that is wrong or a registry
 * that is not sound answers each request with 500, and the log has a line `not_started` that names it.
 */
export function createBroker(options: BrokerOptions): Broker;
export function createBroker(options: MountOptions): MountedBroker;
export function createBroker(options: BrokerOptions | MountOptions): Broker | MountedBroker {
  const { agents, basePath } = options;
  // One per isolate: keys are opened and imported once.
  let ports: BrokerPorts | undefined;
  const open = (env: BrokerEnv): BrokerPorts => {
    ports ??= portsOf(env, options);
    return ports;
  };
  const scheduled = async (_controller: ScheduledController, env: BrokerEnv) => {
    const ports = open(env);
    await Promise.all([runScheduled(ports), runArchive(ports)]);
  };

  const classes = {
    MintShardObject: class extends MintShardObject {
      constructor(ctx: DurableObjectState, env: ShardEnv) {
        super(ctx, env, agents, options);
      }
    },

    /**
     * The backlog of agents' objects: `GET /readyz` contains it. The network does not lead here, only a service
     * binding to this entrypoint does.
     */
    Backlog: class extends WorkerEntrypoint<BrokerEnv> {
      /** Takes the report of an object in a JSON body, 204. */
      override async fetch(request: Request): Promise<Response> {
        const report = await readBody(request, BacklogReport);
        if (!report.ok) return new Response(null, { status: 400 });
        const { config } = open(this.env);
        await mintShards(this.env.MINT_SHARD, config.shards).receiveReport(report.value);
        return new Response(null, { status: 204 });
      }
    },
  };

  if (basePath === undefined) {
    let app: Hono | undefined;
    const fetch = (request: Request, env: BrokerEnv) =>
      orNotStarted(() => {
        app ??= createApp(open(env));
        return app.fetch(request);
      });
    return { ...classes, handler: { fetch, scheduled } };
  }
  let apps: ReturnType<typeof mountApps> | undefined;
  return {
    ...classes,
    scheduled,
    answer(request, env) {
      const place = placeOf(request.url, basePath, env);
      if (place === undefined) return undefined;
      return orNotStarted(() => {
        apps ??= mountApps(open(env));
        return apps(request, place);
      });
    },
  };
}

/** Configuration: the text names settings and no values. The client learns only that it is our fault. */
function orNotStarted(answer: () => Response | Promise<Response>): Response | Promise<Response> {
  try {
    return answer();
  } catch (error) {
    log({ event: 'not_started', error: error instanceof Error ? error.message : String(error) });
    return renderError({ reason: 'internal' }, crypto.randomUUID());
  }
}

async function ping(database: D1Database): Promise<void> {
  await database.prepare('SELECT 1').first();
}

const UNSAFE =
  'agent code runs in the isolate that opens the signing keys, and can make tickets for anybody: see docs/deploy/one-worker.md';

/** What a mounted broker has of its own: commands go to the gate by the binding of the worker to itself. */
function openMount(basePath: string, { BROKER }: BrokerEnv) {
  if (BROKER === undefined) throw new Error('no binding BROKER: with a basePath it is this worker itself');
  log({ event: 'mounted', base_path: basePath, warning: UNSAFE });
  return openWeb((url, init) => BROKER.fetch(url, init));
}

/** The console's files from the static assets of the worker. */
function openConsole({ CONSOLE }: BrokerEnv): BrokerPorts['consoleFile'] {
  if (CONSOLE === undefined) return undefined;
  return async (name) => {
    const found = await CONSOLE.fetch(`https://console.invalid/${name}`);
    return found.ok ? found : undefined;
  };
}

function portsOf(env: BrokerEnv, options: BrokerOptions | MountOptions): BrokerPorts {
  const { agents, basePath } = options;
  const config = readConfig(env, options);
  return compose(config, agents, {
    ...(basePath === undefined ? openWeb() : openMount(basePath, env)),
    control: openControl(env.CONTROL),
    record: openRecord(env.RECORD),
    shard: mintShards(env.MINT_SHARD, config.shards),
    ping: { control: () => ping(env.CONTROL), record: () => ping(env.RECORD) },
    anchorBucket: env.AUDIT_ANCHOR,
    archive: env.AUDIT_ARCHIVE && bucketArchive(env.AUDIT_ARCHIVE),
    // A mounted broker has no console: a page that an agent serves there has the same origin, and could act as the
    // operator.
    consoleFile: basePath === undefined ? openConsole(env) : undefined,
    addressOf: (request) => request.headers.get('cf-connecting-ip'),
    isByTls: (request) => request.url.startsWith('https:'),
    later: (work) =>
      waitUntil(
        work.catch((error: unknown) => log({ event: 'background_failed', error: describeError(error) })),
      ),
    measure: measureByPoints(env.METRICS),
    log: logWithPoints(log, env.SECURITY_EVENTS),
  });
}
