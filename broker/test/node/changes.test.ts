import type { AuditType } from '@agent-ticket/shared/audit-event.ts';
import { PrincipalId } from '@agent-ticket/shared/names.ts';
import type { RevocationCode } from '@agent-ticket/shared/revocation.ts';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { CLAIM_LAPSES_MS } from '../../src/mint/policy.ts';
import { flushOutbox } from '../../src/revocation/changes.ts';
import { signOut } from '../../src/sign-in/sign-out.ts';
import {
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
} from './admin/operator-broker.ts';
import { bodyOf } from './answers.ts';
import { rowsOf } from './folder.ts';

/** A change of policy is whole or not at all, at whichever write it was cut off; and what follows from it comes once. */

const ALICE: Person = { sub: 'alice' };
const BOB: Person = { sub: 'bob' };

/** One change, ready to be made. */
interface Ready {
  /** Makes it. Answers a status, or rejects as a step within the broker. */
  readonly act: () => Promise<Response>;
  /** The name of a target that it revokes, and with which code. */
  readonly revokes?: readonly [target: string, code: RevocationCode];
}

interface Kind {
  readonly event: AuditType;
  /** Tables that one such change writes. */
  readonly writes: readonly string[];
  /** What live sessions are told. */
  readonly command?: 'revoke' | 'destroy';
  readonly prepare: (broker: OperatorBroker) => Promise<Ready>;
}

const post = (broker: OperatorBroker, path: string, body?: object) => () =>
  broker.call(ROOT, 'POST', path, body);
const remove =
  (broker: OperatorBroker, path: string, who = ROOT) =>
  () =>
    broker.call(who, 'DELETE', path);
const idIn = async (answer: Response): Promise<string> => z.string().parse((await bodyOf(answer)).id);

const GRANT = { subject: idOf(BOB), agent: 'counter', instance: 'room', role: 'owner', reason: 'test' };
const LOCK = { target: { kind: 'agent', agent: 'counter' }, reason: 'test' };
const TOKENS = '/admin/service-tokens';

const KINDS: readonly (readonly [what: string, kind: Kind])[] = [
  [
    'a grant that is made',
    {
      event: 'grant.created',
      writes: ['grants', 'outbox'],
      prepare: async (broker) => ({ act: post(broker, '/admin/grants', GRANT) }),
    },
  ],
  [
    'a grant that is deleted',
    {
      event: 'grant.deleted',
      writes: ['grants', 'outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        const id = await idIn(await post(broker, '/admin/grants', GRANT)());
        return { act: remove(broker, `/admin/grants/${id}`), revokes: [`grant:${id}`, 'rights_changed'] };
      },
    },
  ],
  [
    'a first user’s claim',
    {
      event: 'grant.created',
      writes: ['grants', 'outbox'],
      prepare: async (broker) => ({
        act: () => broker.call(ALICE, 'POST', '/tickets', { agent: 'diary', instance: 'room' }),
      }),
    },
  ],
  [
    'a claim that lapses',
    {
      event: 'grant.deleted',
      writes: ['grants', 'outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        await broker.mint(ALICE, 'diary', 'room');
        broker.clock.now += CLAIM_LAPSES_MS / 1000 + 1;
        const [claim] = await broker.ownersOf('diary', 'room');
        return {
          act: () => broker.call(BOB, 'POST', '/tickets', { agent: 'diary', instance: 'room' }),
          revokes: [`grant:${claim?.id}`, 'rights_changed'],
        };
      },
    },
  ],
  [
    'a lock that is set',
    {
      event: 'lock.created',
      writes: ['outbox', 'revocations'],
      command: 'revoke',
      prepare: async (broker) => ({
        act: post(broker, '/admin/locks', LOCK),
        revokes: ['agent:counter', 'locked'],
      }),
    },
  ],
  [
    'a lock that is lifted',
    {
      event: 'lock.lifted',
      writes: ['outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        const id = await idIn(await post(broker, '/admin/locks', LOCK)());
        return { act: remove(broker, `/admin/locks/${id}`) };
      },
    },
  ],
  [
    'a service token that is made',
    {
      event: 'service_token.created',
      writes: ['service_tokens', 'service_token_secrets', 'outbox'],
      prepare: async (broker) => ({ act: post(broker, TOKENS, { name: 'bot' }) }),
    },
  ],
  [
    'a secret that is rotated without a grace time',
    {
      event: 'service_token.rotated',
      writes: ['service_token_secrets', 'outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        const id = await idIn(await post(broker, TOKENS, { name: 'bot' })());
        return {
          act: post(broker, `${TOKENS}/${id}/rotate`, { grace_in: 0 }),
          revokes: [`service-token:${id}`, 'rights_changed'],
        };
      },
    },
  ],
  [
    'a service token that is deleted',
    {
      event: 'service_token.revoked',
      writes: ['service_tokens', 'outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        const id = await idIn(await post(broker, TOKENS, { name: 'bot' })());
        return {
          act: remove(broker, `${TOKENS}/${id}`),
          revokes: [`service-token:${id}`, 'session_terminated'],
        };
      },
    },
  ],
  [
    'a session that is terminated',
    {
      event: 'session.terminated',
      writes: ['outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        const id = await broker.openSession({});
        return {
          act: remove(broker, `/admin/agents/sessions/${id}`),
          revokes: [`session:${id}`, 'session_terminated'],
        };
      },
    },
  ],
  [
    'an instance that is deleted',
    {
      event: 'agent.deleted',
      writes: ['outbox', 'revocations'],
      command: 'destroy',
      async prepare(broker) {
        await post(broker, '/admin/grants', GRANT)();
        return {
          act: remove(broker, '/api/agents/counter/room', BOB),
          revokes: ['instance:counter/room', 'rights_changed'],
        };
      },
    },
  ],
  [
    'a key that is rotated',
    {
      event: 'key.rotated',
      writes: ['signing_keys', 'outbox'],
      prepare: async (broker) => ({ act: post(broker, '/admin/keys/rotate', {}) }),
    },
  ],
  [
    'a key that is revoked',
    {
      event: 'key.revoked',
      writes: ['signing_keys', 'outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        const { ports, clock } = broker;
        const signer = await ports.keyring.signer(clock.now * 1000);
        const kid = signer.ok ? signer.value.row.kid : '';
        return { act: post(broker, `/admin/keys/${kid}/revoke`), revokes: [`key:${kid}`, 'locked'] };
      },
    },
  ],
  [
    'a sign-out',
    {
      event: 'login.ended',
      writes: ['principals', 'outbox', 'revocations'],
      command: 'revoke',
      async prepare({ ports, clock }) {
        const who = {
          principal: { ...somebody, id: PrincipalId.parse(idOf(ALICE)) },
          method: 'auth0',
        } as const;
        const act = async () => {
          const context = { requestId: 'r', now: clock.now * 1000, ipAddress: null, userAgent: null };
          const request = new Request('https://broker.test/auth/logout');
          const call = { ...context, request, params: {}, who, ports };
          const order = { by: 'logout', principals: [who.principal.id], login: undefined, ends: [] } as const;
          await signOut(order, call);
          return new Response(null, { status: 302 });
        };
        return { act, revokes: [`principal:${who.principal.id}`, 'session_terminated'] };
      },
    },
  ],
  [
    'a reading of the audit log',
    {
      event: 'admin.read',
      writes: ['outbox'],
      prepare: async (broker) => ({ act: () => broker.call(ROOT, 'GET', '/admin/agents/audit') }),
    },
  ],
];

const somebody = {
  kind: 'user',
  issuer: 'test',
  groups: [],
  tier: 'free',
  permissions: [],
  sources: [],
} as const;

afterEach(() => {
  vi.restoreAllMocks();
});

const inControl = ({ folder }: OperatorBroker, sql: string) => rowsOf(`${folder}/control.db`, sql);
const TABLES = [
  ...[
    'grants',
    'outbox',
    'principals',
    'revocations',
    'service_token_secrets',
    'service_tokens',
    'signing_keys',
  ],
];
const everyRow = (broker: OperatorBroker) =>
  Promise.all(TABLES.map((table) => inControl(broker, `SELECT * FROM ${table} ORDER BY rowid`)));

/** Runs while a table refuses every write but those that end a delivery. */
async function refusingWrites<T>(broker: OperatorBroker, table: string, run: () => Promise<T>): Promise<T> {
  const verbs = table === 'outbox' ? ['INSERT'] : ['INSERT', 'UPDATE', 'DELETE'];
  for (const verb of verbs)
    await inControl(
      broker,
      `CREATE TRIGGER refuse_${verb} BEFORE ${verb} ON ${table} BEGIN SELECT RAISE(ABORT, 'refused'); END`,
    );
  try {
    return await run();
  } finally {
    for (const verb of verbs) await inControl(broker, `DROP TRIGGER refuse_${verb}`);
  }
}

/** The status, or that it rejected. */
const outcomeOf = async (act: () => Promise<Response>): Promise<number | 'rejected'> => {
  try {
    return (await act()).status;
  } catch {
    return 'rejected';
  }
};

const SERVED = [200, 201, 302];

/** What has come of changes so far. */
async function traceOf(broker: OperatorBroker, { event, command }: Kind, { revokes }: Ready) {
  const events = await broker.ports.record.auditLog.list({ type: event }, undefined, 100);
  const commands = (await broker.commandsSent()).filter(({ op }) => op === command);
  return {
    events: events.length,
    commands: commands.length,
    revoked: revokes === undefined ? undefined : await broker.whyRevoked({ names: [revokes[0]], rev: 0 }),
  };
}

describe.each(KINDS)('%s', (_what, kind) => {
  it('leaves nothing where one of its writes is refused, whichever', async () => {
    const broker = await startOperatorBroker();
    const ready = await kind.prepare(broker);
    const [rows, before] = [await everyRow(broker), await traceOf(broker, kind, ready)];
    for (const table of kind.writes) {
      const outcome = await refusingWrites(broker, table, () => outcomeOf(ready.act));
      expect([table, outcome]).toEqual([table, outcome === 'rejected' ? outcome : 500]);
      expect([table, await everyRow(broker)]).toEqual([table, rows]);
      expect([table, await traceOf(broker, kind, ready)]).toEqual([table, before]);
    }
    expect(SERVED).toContain(await outcomeOf(ready.act));
    expect(await traceOf(broker, kind, ready)).toEqual({
      events: before.events + 1,
      commands: before.commands + (kind.command === undefined ? 0 : 1),
      revoked: ready.revokes?.[1],
    });
    expect(await broker.changesWaiting()).toBe(0);
  });

  const lost = () => Promise.reject(new Error('Network connection lost.'));

  it.each<[string, (broker: OperatorBroker) => void]>([
    [
      'right after its batch',
      ({ ports: { control } }) => {
        const { change } = control;
        vi.spyOn(control, 'change').mockImplementationOnce(async (wanted) => {
          await change(wanted);
          return lost();
        });
      },
    ],
    [
      'before its event arrived',
      ({ ports: { record } }) => void vi.spyOn(record, 'deliverChange').mockImplementationOnce(lost),
    ],
    [
      'after its event arrived',
      ({ ports: { record } }) => {
        const { deliverChange } = record;
        vi.spyOn(record, 'deliverChange').mockImplementationOnce(async (event, revocations) => {
          await deliverChange(event, revocations);
          return lost();
        });
      },
    ],
  ])('cut off %s is delivered by the next flush, once', async (_when, cutOff) => {
    const broker = await startOperatorBroker();
    const ready = await kind.prepare(broker);
    const before = await traceOf(broker, kind, ready);
    cutOff(broker);
    await outcomeOf(ready.act);
    vi.restoreAllMocks();
    broker.clock.now += 60;
    await Promise.all([flushOutbox(broker.ports), flushOutbox(broker.ports)]);
    await flushOutbox(broker.ports);
    expect(await broker.changesWaiting()).toBe(0);
    const { events, commands, revoked } = await traceOf(broker, kind, ready);
    expect([events - before.events, revoked]).toEqual([1, ready.revokes?.[1]]);
    // The command for a named object is sent even while the record database is away, and again with the rest.
    const sent = commands - before.commands;
    if (kind.command === undefined) expect(sent).toBe(0);
    else expect(sent).toBeGreaterThanOrEqual(1);
    if (kind.command === 'revoke') expect(sent).toBe(1);
  });
});
