import { type ControlCommand, verifyControl } from '@agent-ticket/shared/control.ts';
import { type AgentEntry, agentsOf, registryDigest, withDefaults } from '@agent-ticket/shared/registry.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { mintShardInProcess } from '../../src/mint/shard-node.ts';
import { flushOutbox } from '../../src/revocation/outbox.ts';
import { compose } from '../../src/runtime/compose.ts';
import type { BrokerPorts } from '../../src/runtime/ports.ts';
import { runScheduled } from '../../src/runtime/scheduled.ts';
import { checkedApp } from '../openapi.ts';
import { findKeyOf } from './admin/operator-broker.ts';
import { bodyOf, ticketIn } from './answers.ts';
import { BROKER, basic, NOW, type StartedBroker, startNodeBroker } from './start-broker.ts';

/** A broker with two agent workers: `default`, and `billing`, which has the agents `invoices` and `ledger`. */

const REGISTRY: readonly AgentEntry[] = [
  withDefaults({ slug: 'counter', access: 'viewer' }),
  withDefaults({ slug: 'invoices', access: 'viewer', worker: 'billing' }),
  withDefaults({ slug: 'ledger', worker: 'billing' }),
];
const WORKERS = { billing: { url: 'https://billing.test', audience: 'billing.test' } };
const CLEAN = { closed: 1, objects: 1, unreachable: 0, pending: 0, ms: 1 };

let started: StartedBroker;
let ports: BrokerPorts;
let app: ReturnType<typeof checkedApp>;
let headers: Record<string, string>;
let token: string;
/** Commands by the audience of the worker that got them. Each was for that worker. */
let sent: [audience: string, op: string][];
let answerOf: (audience: string, command: ControlCommand) => Response | Promise<Response>;

beforeEach(async () => {
  started = await startNodeBroker({ WORKERS: JSON.stringify(WORKERS) });
  const { control, record, config } = started.ports;
  sent = [];
  answerOf = () => Response.json(CLEAN);
  ports = {
    ...started.ports,
    registry: REGISTRY,
    shard: mintShardInProcess(
      { registry: REGISTRY, control, config, randomId: started.runtime.randomId },
      record,
      started.runtime.clock,
    ),
    sendControl: async (worker, text) => {
      const verified = await verifyControl(text, {
        issuer: BROKER,
        ticketAudience: worker.audience,
        nowSeconds: started.clock.now,
        findKey: findKeyOf(ports),
      });
      if (!verified.ok) throw new Error('the command is not for this worker');
      const { cmd } = verified.value;
      sent.push([worker.audience, cmd.op]);
      return answerOf(worker.audience, cmd);
    },
  };
  app = checkedApp(ports);
  const permissions = ['locks:write', 'sessions:terminate', 'grants:write', 'sessions:read'];
  const made = await started.makeServiceToken({ permissions, tier: 'admin' });
  token = made.id;
  headers = { ...basic(made.clientId, made.clientSecret), 'content-type': 'application/json' };
  await ports.keyring.signer(NOW * 1000);
  await ports.auditKeyring.signer(NOW * 1000);
  await flushOutbox(ports);
  sent = [];
});

const call = (method: string, path: string, body?: object) =>
  app.request(`${BROKER}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const lock = (target: object) => call('POST', '/admin/locks', { target, reason: 'test' });
const tokenAt = (form: Record<string, string>) =>
  app.request(`${BROKER}/token`, {
    method: 'POST',
    headers: { authorization: headers.authorization ?? '' },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...form }),
  });
const INVOICES = 'https://billing.test/agents/invoices/main';

it('an agent of a worker that there is not refuses to start, and both are named', () => {
  const registry = [withDefaults({ slug: 'counter', worker: 'absent' })];
  expect(() => compose(started.ports.config, registry, started.runtime)).toThrow(
    'counter: there is no worker absent',
  );
});

describe('a server with the verifier alone', () => {
  const foreign = { billing: { ...WORKERS.billing, control: false } };
  beforeEach(() => {
    ports = {
      ...ports,
      config: {
        ...ports.config,
        workers: ports.config.workers.map((worker) => ({ ...worker, control: worker.name !== 'billing' })),
      },
    };
    app = checkedApp(ports);
  });

  it('gets no command, whatever is locked or deleted, and each minute no question', async () => {
    for (const target of [
      { kind: 'agent', agent: 'invoices' },
      { kind: 'instance', agent: 'invoices', instance: 'main' },
      { kind: 'principal', id: 'auth0:tenant.example:auth0|7' },
      { kind: 'everything' },
    ])
      expect((await lock(target)).status).toBe(201);
    const registry = await registryDigest(agentsOf(REGISTRY, 'default'));
    answerOf = () => Response.json({ ...CLEAN, registry });
    await runScheduled(ports);
    expect(new Set(sent.map(([audience]) => audience))).toEqual(new Set(['agents.test']));
    expect(await ports.control.outbox.count()).toBe(0);
    expect(await (await call('GET', '/readyz')).json()).toMatchObject({ workers_unanswered: 0 });
  });

  it('has no new tickets for a locked instance', async () => {
    await lock({ kind: 'instance', agent: 'invoices', instance: 'main' });
    expect((await call('POST', '/tickets', { agent: 'invoices', instance: 'main' })).status).toBe(403);
    expect((await call('POST', '/tickets', { agent: 'invoices', instance: 'other' })).status).toBe(201);
  });

  it('has no instance that the broker deletes: what it holds would stay there, for whoever gets a grant next', async () => {
    await started.grant(`token:${token}`, 'invoices', 'owner');
    const answer = await call('DELETE', '/api/agents/invoices/main');
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('takes no commands')]);
    expect((await call('POST', '/tickets', { agent: 'invoices', instance: 'main' })).status).toBe(201);
  });

  it('has no agents that belong to their first user, since it cannot be asked whether that one came', async () => {
    const { ports: configured, runtime } = await startNodeBroker({ WORKERS: JSON.stringify(foreign) });
    const registry = [withDefaults({ slug: 'ledger', worker: 'billing', access: 'first-user' })];
    expect(() => compose(configured.config, registry, runtime)).toThrow(
      'ledger: first-user access needs a worker that takes commands',
    );
  });
});

describe('a ticket', () => {
  it.each([
    ['counter', 'agents.test', 'wss://agents.test/agents/counter/main'],
    ['invoices', 'billing.test', 'wss://billing.test/agents/invoices/main'],
  ])('for %s is for its worker', async (agent, audience, url) => {
    const answer = await call('POST', '/tickets', { agent, instance: 'main' });
    expect((await ticketIn(answer.clone())).aud).toBe(audience);
    expect(String((await bodyOf(answer)).url).startsWith(`${url}?`)).toBe(true);
  });

  it('by OAuth is asked for by the address of its worker, as https or wss, with its audience or none', async () => {
    for (const form of [
      { resource: INVOICES },
      { resource: INVOICES.replace('https', 'wss'), audience: 'billing.test' },
    ]) {
      const answer = await tokenAt(form);
      expect(answer.status).toBe(200);
      expect((await ticketIn(answer)).aud).toBe('billing.test');
    }
  });

  it('by OAuth is refused by the audience of another worker', async () => {
    const answer = await tokenAt({ resource: INVOICES, audience: 'agents.test' });
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: 'invalid_target' }]);
  });

  it('by OAuth at another worker is refused as if there were no agent of that name, seen or unseen', async () => {
    const refusals = await Promise.all(
      ['invoices', 'ledger', 'nobody'].map(async (agent) => {
        const answer = await tokenAt({ resource: `https://agents.test/agents/${agent}/main` });
        return [answer.status, await answer.text()];
      }),
    );
    expect(new Set(refusals.map((refusal) => JSON.stringify(refusal))).size).toBe(1);
    expect(refusals[0]?.[0]).toBe(400);
  });
});

it('GET /api/agents shows each agent with the address of its worker', async () => {
  expect(await (await call('GET', '/api/agents')).json()).toMatchObject({
    items: [
      { agent: 'counter', url: 'https://agents.test/agents/counter' },
      { agent: 'invoices', url: 'https://billing.test/agents/invoices' },
    ],
  });
});

async function openSession(audience: string): Promise<string> {
  const id = crypto.randomUUID();
  const at = NOW * 1000;
  await started.ports.record.deliver(
    [
      {
        event: { eventId: crypto.randomUUID(), at, type: 'session.opened', outcome: 'success' },
        session: {
          ...{ id, principal: 'auth0:t:a', agent: 'counter', instance: 'main', audience, role: 'viewer' },
          ...{ scope: 'agent:connect', startedAt: at, endedAt: null, endReason: null, ipAddress: null },
          ...{ userAgent: null, jti: crypto.randomUUID(), kid: 'k'.repeat(43), rev: 0 },
          ...{ grantId: null, loginId: null },
        },
      },
    ],
    at,
  );
  return id;
}

describe('a command', () => {
  const ALL = ['agents.test', 'billing.test'];
  it.each<[string, object, readonly string[]]>([
    ['a principal', { kind: 'principal', id: 'auth0:t:a' }, ALL],
    ['everything', { kind: 'everything' }, ALL],
    ['an agent', { kind: 'agent', agent: 'invoices' }, ['billing.test']],
    ['an instance', { kind: 'instance', agent: 'counter', instance: 'main' }, ['agents.test']],
  ])(
    'that locks %s goes to the workers that it concerns, in one receipt',
    async (_what, target, audiences) => {
      const answer = await lock(target);
      // To all at once: which is first, does not matter.
      expect(sent.toSorted()).toEqual(audiences.map((audience) => [audience, 'revoke']));
      expect([answer.status, await bodyOf(answer)]).toMatchObject([
        201,
        { receipt: { closed: audiences.length, objects: audiences.length, pending: 0 } },
      ]);
    },
  );

  it('that ends a session goes to the worker that has it, whatever the registry says of the agent now', async () => {
    const id = await openSession('billing.test');
    expect((await call('DELETE', `/admin/agents/sessions/${id}`)).status).toBe(200);
    expect(sent).toEqual([['billing.test', 'revoke']]);
  });

  it('that ends a session of a worker that was taken away goes to all', async () => {
    const id = await openSession('gone.test');
    expect((await call('DELETE', `/admin/agents/sessions/${id}`)).status).toBe(200);
    expect(sent.map(([audience]) => audience).sort()).toEqual(ALL);
  });

  it('that ends a grant goes to the worker of its agent', async () => {
    const grant = { subject: 'auth0:t:a', agent: 'ledger', instance: 'main', role: 'owner', reason: 'test' };
    const { id } = await bodyOf(await call('POST', '/admin/grants', grant));
    sent = [];
    await call('DELETE', `/admin/grants/${id}`);
    expect(sent).toEqual([['billing.test', 'revoke']]);
  });

  it('that deletes an instance goes to the worker of its agent', async () => {
    await started.grant(`token:${token}`, 'invoices', 'owner');
    expect((await call('DELETE', '/api/agents/invoices/main')).status).toBe(200);
    expect(sent).toEqual([['billing.test', 'destroy']]);
  });

  it('is sent again to the worker that was away, and to no other, until all have it', async () => {
    answerOf = (audience) =>
      audience === 'billing.test' ? Promise.reject(new Error('network')) : Response.json(CLEAN);
    const answer = await lock({ kind: 'principal', id: 'auth0:t:a' });
    expect([answer.status, await bodyOf(answer)]).toMatchObject([
      202,
      { receipt: { closed: 1, pending: 1 } },
    ]);
    expect(started.logged).toContainEqual(
      expect.objectContaining({ event: 'control_unanswered', worker: 'billing' }),
    );

    sent = [];
    started.clock.now += 60;
    await flushOutbox(ports);
    expect(sent).toEqual([['billing.test', 'revoke']]);
    expect(await ports.control.outbox.count()).toBe(1);

    // Another change, meanwhile, waits for nothing that does not concern it.
    expect((await lock({ kind: 'agent', agent: 'counter' })).status).toBe(201);
    answerOf = () => Response.json(CLEAN);
    sent = [];
    started.clock.now += 60;
    await flushOutbox(ports);
    expect(sent).toEqual([['billing.test', 'revoke']]);
    expect(await ports.control.outbox.count()).toBe(0);
  });

  it('that one worker has executed in part goes to that one again', async () => {
    answerOf = (audience) => Response.json({ ...CLEAN, pending: audience === 'agents.test' ? 3 : 0 });
    expect((await lock({ kind: 'everything' })).status).toBe(202);
    const [row] = await ports.control.outbox.due(Number.MAX_SAFE_INTEGER, 1);
    expect(JSON.parse(row?.delivered ?? '')).toEqual(['billing.test']);
  });
});

describe('/readyz', () => {
  const digests = async () => ({
    'agents.test': await registryDigest(agentsOf(REGISTRY, 'default')),
    'billing.test': await registryDigest(agentsOf(REGISTRY, 'billing')),
  });
  const counts = async () => {
    started.clock.now += 10;
    const answer = await app.request(`${BROKER}/readyz`);
    const text = await answer.text();
    expect(text).not.toMatch(/billing|default|agents\.test/);
    return { ...JSON.parse(text), status: answer.status };
  };
  const agree = async (billing?: string) => {
    const known = new Map(Object.entries(await digests()));
    if (billing !== undefined) known.set('billing.test', billing);
    answerOf = (audience, { op }) =>
      Response.json(op === 'digest' ? { ...CLEAN, registry: known.get(audience) } : { ...CLEAN, closed: 0 });
  };

  it('says that registries agree, as the schedule has found, and asks no worker itself', async () => {
    expect(await counts()).toMatchObject({ workers_differing: 0, workers_unanswered: 2 });
    expect(sent).toEqual([]);
    await agree();
    await runScheduled(ports);
    expect(sent.filter(([, op]) => op === 'digest')).toHaveLength(2);
    sent = [];
    expect(await counts()).toMatchObject({ status: 200, workers_differing: 0, workers_unanswered: 0 });
    expect(sent).toEqual([]);
  });

  it('counts a worker whose agents differ, is ready all the same, and the log names it', async () => {
    await agree('another');
    await runScheduled(ports);
    expect(await counts()).toMatchObject({ status: 200, workers_differing: 1, workers_unanswered: 0 });
    const named = started.logged.filter(({ event }) => event === 'registry_differs');
    expect(named).toEqual([{ event: 'registry_differs', worker: 'billing' }]);
  });

  it('counts a worker that has not answered for some minutes, and one that never did', async () => {
    await agree();
    await runScheduled(ports);
    started.clock.now += 140;
    expect(await counts()).toMatchObject({ workers_unanswered: 0 });
    expect(await counts()).toMatchObject({ workers_unanswered: 2 });
    answerOf = () => Promise.reject(new Error('network'));
    await runScheduled(ports);
    expect(await counts()).toMatchObject({ status: 200, workers_differing: 0, workers_unanswered: 2 });
  });
});
