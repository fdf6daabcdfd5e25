import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { PrincipalId } from '@agent-ticket/shared/names.ts';
import { forAll } from '@agent-ticket/shared/test/property.ts';
import fc from 'fast-check';
import { decodeJwt } from 'jose';
import { beforeAll, expect, it } from 'vitest';
import * as z from 'zod';
import { changePolicy, newRevocation } from '../../src/revocation/changes.ts';
import { type ChangePorts, flushOutbox } from '../../src/revocation/outbox.ts';
import { rowsOf } from './folder.ts';
import { type StartedBroker, startNodeBroker } from './start-broker.ts';

/** Whatever is lost between the databases, the broker and the agent worker, a change arrives, and has one effect. */

let broker: StartedBroker;
beforeAll(async () => {
  broker = await startNodeBroker();
});

const FAULTS = [
  'none',
  'record away',
  'answer of record lost',
  'command lost',
  'receipt lost',
  'object away',
  'removal lost',
] as const;
type Fault = (typeof FAULTS)[number];

const Command = z.object({ cmd: z.object({ revocation: z.object({ id: z.string(), rev: z.int() }) }) });
const TARGET = { kind: 'principal', id: PrincipalId.parse('auth0:people.test:1') } as const;
const lost = (): Error => new Error('network connection lost');
const receipt = (unreachable: number) =>
  Response.json({ closed: 0, objects: 1, unreachable, pending: 0, ms: 0 });

/** The ports of one broker, of which each call fails as the list says, one after the other; then none fails. */
function failing(faults: Fault[], sent: { id: string; rev: number }[]): ChangePorts {
  const { ports } = broker;
  const takes = (...these: readonly Fault[]): Fault | undefined => {
    const [next] = faults;
    if (next === 'none') faults.shift();
    return next !== undefined && these.includes(next) ? faults.shift() : undefined;
  };
  return {
    ...ports,
    log: () => {},
    record: {
      ...ports.record,
      async deliverChange(event, revocations) {
        const fault = takes('record away', 'answer of record lost');
        if (fault === 'record away') throw lost();
        await ports.record.deliverChange(event, revocations);
        if (fault !== undefined) throw lost();
      },
    },
    async sendControl(_worker, token) {
      const fault = takes('command lost', 'receipt lost', 'object away');
      if (fault === 'command lost') throw lost();
      if (fault === 'object away') return receipt(1);
      sent.push(Command.parse(decodeJwt(token)).cmd.revocation);
      if (fault === 'receipt lost') throw lost();
      return receipt(0);
    },
    control: {
      ...ports.control,
      outbox: {
        ...ports.control.outbox,
        async done(id) {
          if (takes('removal lost') !== undefined) throw lost();
          await ports.control.outbox.done(id);
        },
      },
    },
  };
}

/** Changes, each with the faults of its deliveries, and whether each is lifted before it has arrived. */
const changes = fc.array(
  fc.record({
    faults: fc.array(fc.constantFrom(...FAULTS), { maxLength: 5 }),
    what: fc.constantFrom('lock', 'lock and lift', 'event'),
  }),
  { minLength: 1, maxLength: 2 },
);

it('each change has its event and its newest copy once, and its command at least once, whatever is lost', () =>
  forAll(changes, async (wanted) => {
    const { control } = broker.ports;
    const sent: { id: string; rev: number }[] = [];
    const faults = wanted.flatMap((each) => each.faults);
    const ports = failing(faults, sent);
    const made: { readonly id?: string; readonly events: string[] }[] = [];
    for (const { what } of wanted) {
      const isLifted = what === 'lock and lift';
      const id = crypto.randomUUID();
      const events = [crypto.randomUUID(), ...(isLifted ? [crypto.randomUUID()] : [])];
      const now = ports.clock();
      const why = { kind: 'any', code: 'locked', reason: 'test', by: 'test', until: null } as const;
      const event = { at: now, outcome: 'success' } as const;
      if (what === 'event') {
        // Of a change that no session has to know.
        await changePolicy({ event: { ...event, eventId: events[0] ?? '', type: 'key.resealed' } }, ports);
        made.push({ events });
        continue;
      }
      await changePolicy(
        {
          event: { ...event, eventId: events[0] ?? '', type: 'lock.created' },
          revocations: [newRevocation({ ...why, target: TARGET, id, now })],
        },
        ports,
      );
      if (isLifted)
        await changePolicy(
          {
            event: { ...event, eventId: events[1] ?? '', type: 'lock.lifted' },
            statement: control.revocations.lift(id, now),
            command: { op: 'revoke', ids: [id] },
          },
          ports,
        );
      made.push({ id, events });
    }
    // Two brokers flush at once, until nothing waits.
    for (let round = 0; round < 40 && (await control.outbox.count()) > 0; round += 1) {
      broker.clock.now += 61;
      for (const result of await Promise.allSettled([flushOutbox(ports), flushOutbox(ports)]))
        if (result.status === 'rejected') expect(isOutage(result.reason)).toBe(true);
    }
    expect(await control.outbox.count()).toBe(0);
    const inRecord = (sql: string, ids: readonly string[]) =>
      rowsOf(`${broker.folder}/record.db`, sql, [JSON.stringify(ids)]);
    const ids = made.flatMap(({ id }) => id ?? []);
    const events = made.flatMap((each) => each.events);
    const arrived = await inRecord(
      'SELECT event_id FROM audit_events WHERE event_id IN (SELECT value FROM json_each(?))',
      events,
    );
    expect(arrived.map((row) => String(row.event_id)).toSorted()).toEqual(events.toSorted());
    const copies = await inRecord(
      'SELECT id, rev FROM revocation_copies WHERE id IN (SELECT value FROM json_each(?))',
      ids,
    );
    const newest = (await control.revocations.findAll(ids)).map(({ id, rev }) => [id, rev]);
    const byId = (rows: readonly (readonly unknown[])[]) => rows.map(String).toSorted();
    expect(byId(copies.map(({ id, rev }) => [id, rev]))).toEqual(byId(newest));
    const last = ids.map((id) => [id, sent.findLast((command) => command.id === id)?.rev]);
    expect(byId(last)).toEqual(byId(newest));
  }));
