import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, it } from 'vitest';
import { startBroker } from './broker.ts';
import { COUNTER, call, mint, ticketOf } from './call.ts';
import { NOW, setClock } from './clock.ts';
import { printed } from './printed.ts';
import {
  alarmsOfWaiting,
  delivered,
  eventsWith,
  evictShards,
  expectEvents,
  inShards,
  ringAlarmOf,
  ringAlarms,
  withoutRecord,
} from './record.ts';
import { makeToken } from './tokens.ts';

/** How often a delivery to the record database failed in this test, counted in the log. */
const failures = (): number => printed.filter((line) => line.includes('record_delivery_failed')).length;

describe('while the record database is away', () => {
  it('tickets are minted, and their events come when it is back, once and in order', async () => {
    const token = await makeToken();
    const names = await withoutRecord(async () => {
      const answers = [];
      for (let i = 0; i < 5; i += 1) {
        setClock(i);
        answers.push(ticketOf(await mint(token.pair)));
      }
      await eventually(async () => expect(failures()).toBeGreaterThan(0));
      return answers.map(({ jti }) => jti);
    });
    expect(await ringAlarms()).toBeGreaterThan(0);
    const events = await expectEvents(
      token.principal,
      Array.from({ length: 5 }, () => 'ticket.issued'),
    );
    expect(events.map(({ jti }) => jti)).toEqual(names);
    expect(events.map(({ at }) => at / 1000 - NOW)).toEqual([0, 1, 2, 3, 4]);
  });

  it('an alarm that finds it away still sets the next one', async () => {
    const token = await makeToken();
    await withoutRecord(async () => {
      ticketOf(await mint(token.pair));
      await eventually(async () => expect(failures()).toBe(1));
      for (const failed of [2, 3, 4]) {
        expect(await ringAlarms()).toBeGreaterThan(0);
        await eventually(async () => expect(failures()).toBe(failed));
      }
    });
    expect(await ringAlarms()).toBeGreaterThan(0);
    await expectEvents(token.principal, ['ticket.issued']);
    setClock(130);
    expect(await ringAlarmOf(token.principal)).toBe(true);
    setClock(130 + 3600);
    expect(await ringAlarmOf(token.principal), 'the mark of the instance is left').toBe(true);
    expect(await ringAlarmOf(token.principal), 'nothing waits, and the limits of then are forgotten').toBe(
      false,
    );
  });

  it('nothing is lost when the mint shards are taken out of memory meanwhile', async () => {
    const tokens = await Promise.all(Array.from({ length: 6 }, () => makeToken()));
    await withoutRecord(async () => {
      await Promise.all(tokens.map(async ({ pair }) => ticketOf(await mint(pair))));
      await eventually(async () => expect(failures()).toBeGreaterThan(0));
      await evictShards();
    });
    await eventually(async () => {
      await ringAlarms();
      for (const { principal } of tokens) expect(await eventsWith('user_id', principal)).toHaveLength(1);
    });
  });

  it('is set to wake the mint shard before any answer of the database, and each life of it begins by offering', async () => {
    const token = await makeToken();
    await withoutRecord(async () => {
      ticketOf(await mint(token.pair));
      const [alarm] = await alarmsOfWaiting();
      expect(alarm).toBeLessThanOrEqual((NOW + 5) * 1000);
      await eventually(async () => expect(failures()).toBe(1));
      await evictShards();
    });
    // Any call makes the next life; no alarm is rung.
    await eventually(async () => {
      await inShards('SELECT 1');
      expect(await eventsWith('user_id', token.principal)).toHaveLength(1);
    });
  });

  it('/readyz says how many events wait, and that none does when they are through', async () => {
    const { front } = startBroker();
    const waiting = async () => JSON.parse((await call('/readyz', { front })).text).events_waiting;
    await delivered();
    expect(await waiting()).toBe(0);
    const tokens = await Promise.all(Array.from({ length: 3 }, () => makeToken()));
    setClock(5);
    await withoutRecord(async () => {
      for (const { pair } of tokens) ticketOf(await mint(pair, COUNTER, { front }));
      expect(await waiting()).toBe(3);
      await eventually(async () => expect(failures()).toBeGreaterThan(0));
    });
    setClock(10);
    await eventually(async () => {
      await ringAlarms();
      expect(await inShards('SELECT id FROM ticket_backlog')).toEqual([]);
    });
    expect(await waiting()).toBe(0);
  });

  it('the next ticket of the same caller brings the events along, without an alarm', async () => {
    const token = await makeToken();
    await withoutRecord(async () => {
      ticketOf(await mint(token.pair));
      await eventually(async () => expect(failures()).toBe(1));
    });
    ticketOf(await mint(token.pair));
    await expectEvents(token.principal, ['ticket.issued', 'ticket.issued']);
    await ringAlarms();
    await expectEvents(token.principal, ['ticket.issued', 'ticket.issued']);
  });
});
