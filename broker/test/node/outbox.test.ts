import { beforeEach, describe, expect, it } from 'vitest';
import { newRevocation } from '../../src/revocation/changes.ts';
import { flushOutbox } from '../../src/revocation/outbox.ts';
import { runScheduled } from '../../src/runtime/scheduled.ts';
import { CLEAN, type OperatorBroker, startOperatorBroker } from './admin/operator-broker.ts';
import { rowsOf } from './folder.ts';
import { NOW } from './start-broker.ts';

let broker: OperatorBroker;
beforeEach(async () => {
  broker = await startOperatorBroker();
});

const DUE = NOW * 1000 - 60_000;
const eventOf = (eventId: string) => ({ eventId, at: DUE, type: 'key.rotated', outcome: 'success' }) as const;

/** A row as nobody but somebody with access to the database would write it. */
const put = (id: string, event: string, command: string | null = null, dueAt = DUE - 30_000) =>
  rowsOf(
    `${broker.folder}/control.db`,
    'INSERT INTO outbox (id, event, command, due_at) VALUES (?, ?, ?, ?)',
    [id, event, command, dueAt],
  );

/** A change that revokes something and was not delivered. */
async function change(id: string, dueAt = DUE): Promise<void> {
  const revocation = newRevocation({
    target: { kind: 'everything' },
    kind: 'any',
    code: 'locked',
    reason: 'test',
    by: 'test',
    now: DUE,
    id,
  });
  const command = { op: 'revoke', ids: [id] } as const;
  const event = eventOf(id);
  await broker.ports.control.change({ event, revocations: [revocation], command, dueAt });
}
const waiting = async () =>
  (await broker.ports.control.outbox.due(Number.MAX_SAFE_INTEGER, 100)).map(({ id }) => id);
const recorded = async () =>
  (await broker.ports.record.auditLog.arrivals(0, 100)).map(({ eventId }) => eventId);

describe('the outbox', () => {
  const good = JSON.stringify(eventOf('bad'));
  it.each<[string, string, string | null]>([
    ['whose event is no JSON', '{', null],
    ['whose event is none', 'null', null],
    [
      'whose event has an id of its own',
      '{"eventId":"other","type":"key.rotated","at":1,"outcome":"success"}',
      null,
    ],
    [
      'whose event the record database will never take',
      '{"eventId":"bad","type":"key.rotated","at":1}',
      null,
    ],
    ['whose command is no JSON', good, '{'],
    ['whose command has another shape', good, '{"op":"revoke","ids":7}'],
    ['whose command is none', good, '{"op":"close"}'],
    [
      'that deletes an instance by a revocation that there is not',
      good,
      '{"op":"destroy","agent":"counter","instance":"main","id":"x","lock":"y","before":1}',
    ],
  ])('goes on past a row %s, which stays and is logged', async (_what, event, command) => {
    await put('bad', event, command);
    await change('good');
    await runScheduled(broker.ports);
    expect(await waiting()).toEqual(['bad']);
    expect(await recorded()).toContain('good');
    expect((await broker.commandsSent()).map(({ op }) => op)).toContain('revoke');
    expect(broker.logged).toContainEqual({ event: 'change_unreadable', id: 'bad' });
    expect(broker.logged).not.toContainEqual(expect.objectContaining({ event: 'scheduled_failed' }));
    const ready = await broker.call(undefined, 'GET', '/readyz');
    expect([ready.status, await ready.json()]).toMatchObject([200, { changes_waiting: 1 }]);
  });

  it('goes on past a row whose delivery has a bug, and logs it', async () => {
    await change('first', DUE - 30_000);
    await change('second');
    let tries = 0;
    const signer = async (now: number) => {
      tries += 1;
      if (tries === 1) throw new RangeError('a bug');
      return broker.ports.keyring.signer(now);
    };
    await flushOutbox({ ...broker.ports, keyring: { signer } });
    expect(await waiting()).toEqual(['first']);
    expect(broker.logged).toContainEqual(expect.objectContaining({ event: 'bug', id: 'first' }));
  });

  it.each<[string, () => Promise<Response>]>([
    ['is out of reach', async () => Promise.reject(new Error('network'))],
    ['refuses', async () => new Response(null, { status: 401 })],
    ['answers no receipt', async () => Response.json({ closed: 'all' })],
    ['answers without end', async () => new Response('x'.repeat(5000))],
    ['asked some objects', async () => Response.json({ ...CLEAN, unreachable: 1 })],
    ['has more to ask', async () => Response.json({ ...CLEAN, pending: 1 })],
  ])('keeps a change while the worker %s', async (_what, answer) => {
    const up = broker.worker.answer;
    broker.worker.answer = answer;
    await change('change');
    await flushOutbox(broker.ports);
    expect(await waiting()).toEqual(['change']);
    broker.worker.answer = up;
    broker.clock.now += 60;
    await flushOutbox(broker.ports);
    expect(await waiting()).toEqual([]);
    expect((await recorded()).filter((id) => id === 'change')).toHaveLength(1);
  });
});
