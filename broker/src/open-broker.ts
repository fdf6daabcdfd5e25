import { WorkerEntrypoint, waitUntil } from 'cloudflare:workers';
import { openControl } from '@agent-ticket/drizzle/control/open-d1.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { BacklogReport } from '@agent-ticket/shared/backlog-report.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import { logWithPoints, type PointSink } from '@agent-ticket/shared/security-events.ts';
import type { Hono } from 'hono';
import { createApp } from './app.ts';
import type { AnchorBucket } from './audit/anchor.ts';
import { readConfig } from './config/config.ts';
import type { WorkersByName } from './config/workers.ts';
import { renderError } from './http/answer.ts';
import { MintShardObject, mintShards, type ShardEnv } from './mint/shard-object.ts';
import { readBody } from './runtime/body.ts';
import { compose } from './runtime/compose.ts';
import { openWeb } from './runtime/open-web.ts';
import type { BrokerPorts } from './runtime/ports.ts';
import { runScheduled } from './runtime/scheduled.ts';

/** Bindings of the broker on Workers. Settings and secrets are in the same env. */
export interface BrokerEnv extends ShardEnv {
  readonly MINT_SHARD: DurableObjectNamespace<MintShardObject>;
  /** Analytics Engine, where it is bound. */
  readonly SECURITY_EVENTS?: PointSink | undefined;
  /** A bucket that keeps checkpoints of the audit log as well, where it is bound. */
  readonly AUDIT_ANCHOR?: AnchorBucket | undefined;
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
}

/** The exports of a broker's entry file. */
export interface Broker {
  readonly handler: {
    fetch(request: Request, env: BrokerEnv): Response | Promise<Response>;
    /** Each minute, by the trigger in wrangler.jsonc. */
    scheduled(controller: ScheduledController, env: BrokerEnv): Promise<void>;
  };
  readonly MintShardObject: new (ctx: DurableObjectState, env: ShardEnv) => MintShardObject;
  readonly Backlog: new (ctx: ExecutionContext, env: BrokerEnv) => WorkerEntrypoint<BrokerEnv>;
}

const log = (event: Readonly<Record<string, unknown>>): void => console.log(JSON.stringify(event));

/**
 * The broker on Workers: `handler` is the module's default export, and the classes are exports by their names, since
 * `wrangler.jsonc` names them. A setting that is wrong or a registry that is not sound answers each request with 500, and
 * the log has a line `not_started` that names it.
 */
export function createBroker(options: BrokerOptions): Broker {
  // One per isolate: keys are opened and imported once.
  let ports: BrokerPorts | undefined;
  let app: Hono | undefined;

  return {
    handler: {
      fetch(request, env): Response | Promise<Response> {
        try {
          ports ??= portsOf(env, options);
          app ??= createApp(ports);
        } catch (error) {
          // Configuration: the text names settings and no values. The client learns only that it is our fault.
          log({ event: 'not_started', error: error instanceof Error ? error.message : String(error) });
          return renderError({ reason: 'internal' }, crypto.randomUUID());
        }
        return app.fetch(request, env);
      },

      async scheduled(_controller, env): Promise<void> {
        ports ??= portsOf(env, options);
        await runScheduled(ports);
      },
    },

    MintShardObject: class extends MintShardObject {
      constructor(ctx: DurableObjectState, env: ShardEnv) {
        super(ctx, env, options.agents, options.workers);
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
        ports ??= portsOf(this.env, options);
        await mintShards(this.env.MINT_SHARD, ports.config.shards).receiveReport(report.value);
        return new Response(null, { status: 204 });
      }
    },
  };
}

async function ping(database: D1Database): Promise<void> {
  await database.prepare('SELECT 1').first();
}

function portsOf(env: BrokerEnv, { agents, workers }: BrokerOptions): BrokerPorts {
  const config = readConfig(env, workers);
  return compose(config, agents, {
    ...openWeb(),
    control: openControl(env.CONTROL),
    record: openRecord(env.RECORD),
    shard: mintShards(env.MINT_SHARD, config.shards),
    ping: { control: () => ping(env.CONTROL), record: () => ping(env.RECORD) },
    anchorBucket: env.AUDIT_ANCHOR,
    addressOf: (request) => request.headers.get('cf-connecting-ip'),
    later: (work) =>
      waitUntil(
        work.catch((error: unknown) => log({ event: 'background_failed', error: describeError(error) })),
      ),
    log: logWithPoints(log, env.SECURITY_EVENTS),
  });
}
