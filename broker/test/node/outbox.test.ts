import { beforeEach, describe, expect, it } from 'vitest';
import { flushOutbox, outboxRow } from '../../src/revocation/changes.ts';
import { CLEAN, type OperatorBroker, startOperatorBroker } from './admin/operator-broker.ts';
import { NOW } from './start-broker.ts';

let broker: OperatorBroker;
beforeEach(async () => {
  broker = await startOperatorBroker();
});

const put = (id: string, command: string, before = NOW * 1000 - 60_000) =>
  broker.ports.termination.outbox.insert({ id, command, before, dueAt: before });
const GOOD = JSON.stringify({ op: 'terminate', target: { kind: 'everything' } });
const waiting = async () =>
  (await broker.ports.termination.outbox.due(Number.MAX_SAFE_INTEGER, 100)).map(({ id }) => id);

describe('the outbox', () => {
  it.each([
    ['no JSON', '{'],
    ['another shape', '{"op":"close"}'],
    ['a target that there is not', '{"op":"lock","target":{"kind":"planet"},"until":null}'],
  ])('goes on past a row of %s, which stays and is logged', async (_what, command) => {
    await put('bad', command, NOW * 1000 - 90_000);
    await put('good', GOOD);
    expect(await flushOutbox(broker.ports)).toBe(1);
    expect(await waiting()).toEqual(['bad']);
    expect(broker.logged).toContainEqual({ event: 'control_unreadable', id: 'bad' });
    expect(await flushOutbox(broker.ports)).toBe(0);
  });

  it('goes on past a row that meets a bug, and says so', async () => {
    await put('first', GOOD, NOW * 1000 - 90_000);
    await put('second', GOOD);
    const { termination } = broker.ports;
    let tries = 0;
    const broken = {
      ...termination,
      keyring: {
        ...termination.keyring,
        signer: async (now: number) => {
          tries += 1;
          if (tries === 1) throw new RangeError('a bug');
          return termination.keyring.signer(now);
        },
      },
    };
    expect(await flushOutbox(broken)).toBe(1);
    expect(await waiting()).toEqual(['first']);
    expect(broker.logged).toContainEqual(expect.objectContaining({ event: 'bug', id: 'first' }));
  });

  it.each<[string, () => Promise<Response>]>([
    ['is out of reach', async () => Promise.reject(new Error('network'))],
    ['refuses', async () => new Response(null, { status: 401 })],
    ['answers no receipt', async () => Response.json({ closed: 'all' })],
    ['answers without end', async () => new Response('x'.repeat(5000))],
    ['reached some', async () => Response.json({ ...CLEAN, unreachable: 1 })],
    ['has more to ask', async () => Response.json({ ...CLEAN, pending: 1 })],
  ])('keeps a command while the worker %s', async (_what, answer) => {
    broker.worker.answer = answer;
    await put('command', GOOD);
    await flushOutbox(broker.ports);
    expect(await waiting()).toEqual(['command']);
    broker.worker.answer = async () => Response.json(CLEAN);
    broker.clock.now += 60;
    await flushOutbox(broker.ports);
    expect(await waiting()).toEqual([]);
  });

  it('is read as it was written', () => {
    const target = { kind: 'everything' } as const;
    const row = outboxRow({ id: 'a', command: { op: 'terminate', target }, before: 7 });
    expect(JSON.parse(row.command)).toEqual({ op: 'terminate', target });
  });
});
