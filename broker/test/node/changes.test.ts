import { afterEach, describe, expect, it, vi } from 'vitest';
import { flushOutbox } from '../../src/revocation/outbox.ts';
import { type OperatorBroker, startOperatorBroker } from './admin/operator-broker.ts';
import { KINDS, type Kind, type Ready } from './change-kinds.ts';
import { rowsOf } from './folder.ts';

/** A change of policy is whole or not at all, at whichever write it was cut off; and what follows from it comes once. */

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
  const { rows: events } = await broker.ports.record.auditLog.list({ type: event }, undefined, 100);
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
