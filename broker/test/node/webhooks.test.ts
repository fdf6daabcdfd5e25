import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { sealAudit } from '../../src/audit/sealer.ts';
import { importKeyEncryptionKey } from '../../src/keys/seal.ts';
import { deliverEvents, MAX_DELIVERIES, REFUSED_TRIES } from '../../src/webhooks/deliver.ts';
import type { PostResult } from '../../src/webhooks/post.ts';
import { type OperatorBroker, ROOT, startOperatorBroker } from './admin/operator-broker.ts';
import {
  createWebhook,
  minute,
  minutes,
  RECEIVER,
  standardReceiver,
  webhooksOf,
  writeDenials,
} from './webhooks.ts';

let broker: OperatorBroker;
beforeEach(async () => {
  // The library that verifies reads the clock of the process.
  vi.useFakeTimers({ toFake: ['Date'] });
  broker = await startOperatorBroker();
  Object.defineProperty(broker.clock, 'now', {
    get: () => Date.now() / 1000,
    set: (seconds: number) => void vi.setSystemTime(seconds * 1000),
  });
  vi.setSystemTime(1_800_000_000_000);
});
afterEach(() => {
  vi.useRealTimers();
});

async function withReceiver(
  answer?: Parameters<typeof standardReceiver>[1],
  wish: { url?: string; types?: undefined } = {},
) {
  let secret = '';
  const receiver = standardReceiver(() => secret, answer);
  broker.receivers.set(wish.url ?? RECEIVER, receiver.receive);
  const created = await createWebhook(broker, wish);
  secret = created.secret;
  return { ...receiver, id: created.id };
}
const Items = z.object({ items: z.array(z.looseObject({ at: z.string(), event_id: z.string() })) });
const state = async () => (await webhooksOf(broker))[0];
const codes = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `code_${from + index}`);
const status = (code: number): PostResult => ({ status: code });

describe('events of the sealed log', () => {
  it('are sent in order with signatures that the library of the standard verifies, of the wanted types', async () => {
    const { taken } = await withReceiver();
    await writeDenials(broker, ['one']);
    await writeDenials(broker, ['other'], { type: 'ticket.issued', outcome: 'success' });
    await writeDenials(broker, ['two', 'three']);
    await minute(broker);
    expect(taken).toEqual(['one', 'two', 'three']);
    expect(await state()).toMatchObject({
      ...{ last_status: 204, last_fault: null, failing_since: null, events_skipped: 0, next_try_at: null },
    });
  });

  it('are not sent before they are sealed, nor those from before the webhook', async () => {
    await writeDenials(broker, ['before']);
    await minute(broker);
    const { taken } = await withReceiver();
    await writeDenials(broker, ['after']);
    await deliverEvents(broker.ports);
    expect(taken).toEqual([]);
    await minute(broker);
    expect(taken).toEqual(['after']);
  });

  it('have the same id at each try and the time of the try, and the form in which they are listed', async () => {
    const sent: { id: string | undefined; at: string | undefined; body: string }[] = [];
    broker.receivers.set(RECEIVER, ({ headers, body }) => {
      sent.push({ id: headers['webhook-id'], at: headers['webhook-timestamp'], body });
      return status(sent.length === 1 ? 500 : 200);
    });
    await createWebhook(broker);
    await writeDenials(broker, ['one'], { details: { method: 'auth0' } });
    await minutes(broker, 3);
    const [first, second, ...more] = sent;
    expect(more).toEqual([]);
    expect(second).toMatchObject({ id: first?.id, body: first?.body });
    expect(Number(second?.at) - Number(first?.at)).toBe(60);
    const listed = await broker.call(ROOT, 'GET', '/admin/agents/audit?type=ticket.denied');
    const [event] = Items.parse(await listed.json()).items;
    const content = { type: 'ticket.denied', timestamp: event?.at, data: event };
    expect(JSON.parse(first?.body ?? '')).toEqual(content);
    expect(first?.id).toBe(event?.event_id);
  });

  it('are sent without details that make them too long', async () => {
    const sizes: number[] = [];
    broker.receivers.set(RECEIVER, ({ body }) => {
      sizes.push(body.length);
      expect(JSON.parse(body).data.details).toEqual({ omitted: true });
      return status(200);
    });
    await createWebhook(broker);
    await writeDenials(broker, ['one'], { details: { text: 'x'.repeat(70_000) } });
    await minute(broker);
    expect(sizes).toHaveLength(1);
  });

  it('make no events, and a run with nothing new writes nothing', async () => {
    const { taken } = await withReceiver(undefined, { types: undefined });
    await writeDenials(broker, codes(3));
    await minute(broker);
    const before = taken.length;
    const take = vi.spyOn(broker.ports.control.webhooks, 'take');
    await minutes(broker, 3);
    expect(taken).toHaveLength(before);
    expect(take).not.toHaveBeenCalled();
  });

  it('are bounded in each minute, and none is left out', async () => {
    const { shown } = await withReceiver();
    await writeDenials(broker, codes(MAX_DELIVERIES + 5));
    await minute(broker);
    expect(shown).toHaveLength(MAX_DELIVERIES);
    expect(await state()).toMatchObject({ events_waiting: 5 });
    await minute(broker);
    expect(shown).toEqual(codes(MAX_DELIVERIES + 5));
  });
});

describe('a receiver that is away', () => {
  const FAILURES: readonly PostResult[] = [
    ...[503, 429, 401, 404, 410, 301].map(status),
    ...(['timeout', 'unreachable', 'address_refused'] as const).map((fault) => ({ fault })),
  ];

  it('for an hour gets every event afterwards, in order, however it fails', async () => {
    const end = broker.clock.now + 3600;
    const receivers = [];
    for (const failure of FAILURES) {
      const url = `${RECEIVER}/${JSON.stringify(failure).replaceAll(/\W/g, '')}`;
      receivers.push(await withReceiver(() => (broker.clock.now < end ? failure : status(200)), { url }));
    }
    for (let passed = 0; passed < 60; passed += 1) {
      await writeDenials(broker, codes(1, passed));
      await minute(broker);
    }
    // Each try costs one request, and the pauses grow to ten minutes.
    for (const { shown } of receivers) expect(shown.length).toBeLessThan(15);
    await minutes(broker, 12);
    for (const { taken } of receivers) expect(taken).toEqual(codes(60));
    expect(await webhooksOf(broker)).toEqual(
      FAILURES.map(() =>
        expect.objectContaining({ failing_since: null, events_waiting: 0, events_skipped: 0 }),
      ),
    );
  });

  it('shows in the list with its last fault and the next try', async () => {
    await withReceiver(() => ({ fault: 'timeout' }));
    await writeDenials(broker, ['one']);
    await minute(broker);
    const at = new Date(broker.clock.now * 1000).toISOString();
    expect(await state()).toMatchObject({
      ...{ last_fault: 'timeout', last_status: null, failing_since: at, last_tried_at: at },
      next_try_at: new Date((broker.clock.now + 60) * 1000).toISOString(),
    });
  });

  it('delays no other receiver', async () => {
    const other = 'https://other.test/events';
    await withReceiver(() => ({ fault: 'timeout' }));
    const sent: string[] = [];
    broker.receivers.set(other, ({ body }) => {
      sent.push(JSON.parse(body).data.code);
      return status(200);
    });
    await createWebhook(broker, { url: other });
    await writeDenials(broker, ['one', 'two']);
    await minute(broker);
    expect(sent).toEqual(['one', 'two']);
  });
});

describe('an event that the receiver refuses', () => {
  const refusing = (code: string | null) => status(code?.startsWith('bad') === true ? 400 : 200);

  it('is tried five times, and then left out once a later one is taken', async () => {
    const { taken, shown } = await withReceiver(refusing);
    await writeDenials(broker, ['one', 'bad', 'two', 'three']);
    await minutes(broker, 40);
    expect(shown.filter((code) => code === 'bad')).toHaveLength(REFUSED_TRIES);
    expect(taken).toEqual(['one', 'two', 'three']);
    expect(await state()).toMatchObject({ events_skipped: 1, failing_since: null });
    expect(broker.logged).toContainEqual(
      expect.objectContaining({ event: 'webhook_events_skipped', seqs: [expect.any(Number)] }),
    );
  });

  it('may be followed by others that are refused, too', async () => {
    const { taken } = await withReceiver(refusing);
    await writeDenials(broker, ['bad_1', 'bad_2', 'bad_3', 'one', 'bad_4', 'two']);
    await minutes(broker, 80);
    expect(taken).toEqual(['one', 'two']);
    expect(await state()).toMatchObject({ events_skipped: 4 });
  });

  it('loses nothing while the receiver refuses every event, as with another secret', async () => {
    const end = broker.clock.now + 3 * 3600;
    const { taken } = await withReceiver(() => status(broker.clock.now < end ? 400 : 200));
    await writeDenials(broker, codes(30));
    await minutes(broker, 180);
    expect(taken).toEqual([]);
    await minutes(broker, 12);
    expect(taken).toEqual(codes(30));
    expect(await state()).toMatchObject({ events_skipped: 0 });
  });

  it('is tried as often after an outage', async () => {
    const end = broker.clock.now + 3600;
    let refusals = 0;
    await withReceiver((code) => {
      if (broker.clock.now < end) return status(503);
      if (code === 'bad') refusals += 1;
      return refusing(code);
    });
    await writeDenials(broker, ['bad', 'one']);
    await minutes(broker, 110);
    expect(refusals).toBe(REFUSED_TRIES);
  });
});

describe('at least once', () => {
  it('a run that is killed repeats events, and the receiver tells them by their id', async () => {
    const { taken, shown } = await withReceiver();
    await writeDenials(broker, codes(5));
    const { webhooks } = broker.ports.control;
    const note = vi.spyOn(webhooks, 'note').mockRejectedValueOnce(new Error('Network connection lost.'));
    await expect(minute(broker)).rejects.toThrow('lost');
    note.mockRestore();
    await minutes(broker, 3);
    expect(shown).toEqual([...codes(5), ...codes(5)]);
    expect(taken).toEqual(codes(5));
  });

  it('any number of brokers send each event once, while none is killed', async () => {
    const { shown } = await withReceiver();
    await writeDenials(broker, codes(40));
    const { ports } = broker;
    broker.clock.now += 60;
    await sealAudit(ports, broker.clock.now * 1000);
    await Promise.all(Array.from({ length: 5 }, () => deliverEvents(ports)));
    expect(shown).toEqual(codes(40));
  });

  it('events that retention deleted before are counted as skipped', async () => {
    const { taken } = await withReceiver(() =>
      broker.clock.now < 1_800_000_000 + 120 ? status(503) : status(200),
    );
    await writeDenials(broker, codes(4));
    await minute(broker);
    const { auditLog } = broker.ports.record;
    const first = (await auditLog.bounds())?.first ?? 0;
    await auditLog.purge(first + (await sizeBefore()) + 1, 500);
    await minutes(broker, 3);
    expect(taken).toEqual(codes(2, 2));
    expect(await state()).toMatchObject({ events_skipped: 2 });
  });

  it('a log that was restored from a backup goes on with what is new', async () => {
    const { taken } = await withReceiver();
    const [created] = await broker.ports.control.webhooks.list();
    await broker.ports.control.webhooks.take({ id: created?.id ?? '', dueAt: created?.dueAt ?? 0 }, 1);
    await broker.ports.control.webhooks.note(created?.id ?? '', 1, { seq: 1_000_000, dueAt: 2 });
    await minute(broker);
    await writeDenials(broker, ['one']);
    await minute(broker);
    expect(taken).toEqual(['one']);
  });

  /** Events before the first denial: those of the first keys and of the webhook. */
  const sizeBefore = async () =>
    (await broker.ports.record.auditLog.arrivals(0, 50)).filter(({ type }) => type !== 'ticket.denied')
      .length;
});

it('the path of an address may be a secret: only callers who may change webhooks read it', async () => {
  await createWebhook(broker, { url: `${RECEIVER}/T00/secret` });
  const addressFor = async (permissions: readonly string[]) => {
    const list = await broker.call({ sub: 'reader', permissions }, 'GET', '/admin/webhooks');
    return z.object({ items: z.tuple([z.looseObject({ url: z.string() })]) }).parse(await list.json())
      .items[0].url;
  };
  expect(await addressFor(['audit:read'])).toBe('https://receiver.test');
  expect(await addressFor(['audit:read', 'webhooks:write'])).toBe(`${RECEIVER}/T00/secret`);
});

describe('the secret', () => {
  it('opens for one webhook alone, and after a change of the key-encryption key', async () => {
    const { taken } = await withReceiver();
    const [row] = await broker.ports.control.webhooks.list();
    expect(row?.sealed).toMatch(/^[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+$/);
    const keys = { current: await kekOf(9), previous: await kekOf(0) };
    const { keyring } = broker.ports;
    const rotated = { ...broker.ports, keyring: { ...keyring, sealingKeys: async () => keys } };
    await writeDenials(broker, ['one']);
    broker.clock.now += 60;
    await sealAudit(broker.ports, broker.clock.now * 1000);
    await deliverEvents(rotated);
    expect(taken).toEqual(['one']);
  });

  it('that does not open sends nothing and says so', async () => {
    const { shown } = await withReceiver();
    const [row] = await broker.ports.control.webhooks.list();
    await writeDenials(broker, ['one']);
    const { control } = broker.ports;
    await control.change({
      before: [control.webhooks.reseal(row?.id ?? '', row?.sealed ?? '', 'AAAAAAAAAAAAAAAA.AAAA')],
      event: { eventId: crypto.randomUUID(), at: 0, type: 'key.resealed', outcome: 'success' },
      dueAt: Number.MAX_SAFE_INTEGER,
    });
    await minute(broker);
    expect(shown).toEqual([]);
    expect(await state()).toMatchObject({ last_fault: 'webhook_secret_unreadable' });
  });

  /** The tests' `KEK` is 32 zero bytes. */
  const kekOf = (byte: number) => importKeyEncryptionKey(new Uint8Array(32).fill(byte));
});
