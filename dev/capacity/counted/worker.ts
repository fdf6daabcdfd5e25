import { createGate } from '@agent-ticket/agent-worker/src/open-gate.ts';
import { RecorderObject as Recorder } from '@agent-ticket/agent-worker/src/recorder.ts';
import { ticketed } from '@agent-ticket/agent-worker/src/ticketed.ts';
import { createBroker } from '@agent-ticket/broker';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { PrincipalId, TicketId } from '@agent-ticket/shared/names.ts';
import { defineAgents } from '@agent-ticket/shared/registry.ts';
import { Agent, callable, routeAgentRequest } from 'agents';
import { count, countDatabase, countObject, readCounts } from './counters.ts';

/** Broker, gate, a counter and a bare counter in one worker. The worker counts all units that Cloudflare bills. */

interface Env {
  readonly CONTROL: D1Database;
  readonly RECORD: D1Database;
  readonly COUNTER: DurableObjectNamespace<Counter>;
  readonly BARE: DurableObjectNamespace<Bare>;
  readonly RECORDER: DurableObjectNamespace<RecorderObject>;
  readonly MINT_SHARD: DurableObjectNamespace<MintShardObject>;
  readonly BROKER: Fetcher;
}

const SCOPES = ['agent:connect', 'agent:state:read', 'agent:message', 'agent:rpc:nothing'];
const AGENTS = defineAgents([
  { slug: 'counter', access: 'viewer', scopes: { viewer: SCOPES, admin: SCOPES, owner: SCOPES } },
]);
const broker = createBroker({ agents: AGENTS, basePath: '/broker' });
const gate = createGate(AGENTS);

function countDatabases({ CONTROL, RECORD }: Pick<Env, 'CONTROL' | 'RECORD'>): void {
  countDatabase(CONTROL, 'control');
  countDatabase(RECORD, 'record');
}

/** An agent with a shared number, and a method that does almost no work. */
abstract class SharedNumber extends Agent<Cloudflare.Env, { count: number }> {
  override initialState = { count: 0 };
  override onMessage(): void {}

  @callable()
  nothing(): number {
    return 0;
  }
}

export class Counter extends ticketed(SharedNumber) {
  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    countObject(ctx, 'agent');
    super(ctx, env);
  }
  override alarm(...args: Parameters<Agent['alarm']>): Promise<void> {
    count('agent.alarms');
    return Promise.resolve(super.alarm(...args));
  }
}

export class Bare extends SharedNumber {
  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    countObject(ctx, 'bare');
    super(ctx, env);
  }
}

export class MintShardObject extends broker.MintShardObject {
  constructor(ctx: DurableObjectState, env: Env) {
    countObject(ctx, 'shard');
    countDatabases(env);
    super(ctx, env);
  }
  override mint(...args: Parameters<InstanceType<typeof broker.MintShardObject>['mint']>) {
    count('shard.requests');
    return super.mint(...args);
  }
  override alarm(): Promise<void> {
    count('shard.alarms');
    return super.alarm();
  }
}

export class RecorderObject extends Recorder {
  constructor(ctx: DurableObjectState, env: Env) {
    countObject(ctx, 'recorder');
    countDatabases(env);
    super(ctx, env);
  }
  override deliver(...args: Parameters<Recorder['deliver']>) {
    count('recorder.requests');
    count('recorder.facts', args[0].length);
    return super.deliver(...args);
  }
  override revocationsAfter(...args: Parameters<Recorder['revocationsAfter']>) {
    count('recorder.feeds');
    return super.revocationsAfter(...args);
  }
}

export class Backlog extends broker.Backlog {}

const BATCHES = 10;
const PORTION = 500;

/** The time of the record database for an event, in ms, in batches of the largest size that a recorder sends. */
async function timeWrites({ RECORD }: Pick<Env, 'RECORD'>): Promise<number> {
  const record = openRecord(RECORD);
  const now = Date.now();
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const facts = Array.from({ length: PORTION }, (_, number) => {
      const event: AuditEvent = {
        ...{ eventId: crypto.randomUUID(), at: now, type: 'ticket.issued', outcome: 'success' },
        ...{ principal: PrincipalId.parse('token:svc_of_the_measurement'), agent: 'counter' },
        ...{ instance: `room-${number % 10}`, jti: TicketId.parse(crypto.randomUUID()) },
        ...{ requestId: crypto.randomUUID(), details: { scope: 'agent:connect', role: 'viewer' } },
      };
      return { event };
    });
    await record.deliver(facts, now);
  }
  return (Date.now() - now) / (BATCHES * PORTION);
}

export default {
  async fetch(request, env) {
    countDatabases(env);
    const { pathname } = new URL(request.url);
    if (pathname === '/counts') return Response.json(readCounts());
    if (pathname === '/writes') return Response.json(await timeWrites(env));
    // This agent is not in the registry, so the gate has no route to it.
    if (pathname.startsWith('/agents/bare/'))
      return (await routeAgentRequest(request, env)) ?? new Response(null, { status: 404 });
    return broker.answer(request, env) ?? gate(request, env) ?? new Response(null, { status: 404 });
  },
  scheduled(controller, env) {
    countDatabases(env);
    return broker.scheduled(controller, env);
  },
} satisfies ExportedHandler<Env>;
