import { AUDIT_TYPES } from '@agent-ticket/shared/audit-event.ts';
import { Webhook } from 'standardwebhooks';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { sealAudit } from '../../../src/audit/sealer.ts';
import { MAX_WEBHOOKS } from '../../../src/webhooks/deliver.ts';
import type { Message } from '../../../src/webhooks/post.ts';
import { bodyOf } from '../answers.ts';
import { createWebhook, RECEIVER, webhooksOf, writeDenials } from '../webhooks.ts';
import { idOf, type OperatorBroker, type Person, ROOT, startOperatorBroker } from './operator-broker.ts';

let broker: OperatorBroker;
beforeAll(async () => {
  broker = await startOperatorBroker();
});

const WISH = { name: 'archive', url: RECEIVER, types: ['ticket.denied', 'ticket.denied'] };
const create = (wish: object, who: Person = ROOT) => broker.call(who, 'POST', '/admin/webhooks', wish);
const act = (id: string, action: string, body?: object) =>
  broker.call(ROOT, 'POST', `/admin/webhooks/${id}/${action}`, body);
const remove = (id: string, query = '') => broker.call(ROOT, 'DELETE', `/admin/webhooks/${id}${query}`);
const hintOf = async (answer: Response) =>
  z.object({ error: z.object({ message: z.string() }) }).parse(await answer.json()).error.message;
const lastEvent = () => broker.events.at(-1);

describe('a webhook', () => {
  it('is made with a secret that no other answer and no row shows', async () => {
    const answer = await create(WISH);
    expect(answer.status).toBe(201);
    const { secret, ...shown } = await bodyOf(answer);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(shown).toMatchObject({
      ...{ name: 'archive', url: RECEIVER, types: ['ticket.denied'], created_by: idOf(ROOT) },
      ...{ events_waiting: 0, events_skipped: 0, last_status: null, failing_since: null },
    });
    const listed = JSON.stringify(await webhooksOf(broker));
    const rows = JSON.stringify(await broker.ports.control.webhooks.list());
    const key = String(secret).slice('whsec_'.length);
    for (const text of [listed, rows, JSON.stringify(broker.events), JSON.stringify(broker.logged)])
      expect(text).not.toContain(key);
  });

  it('is an event that names the host of the receiver, and not the rest of its address', async () => {
    await createWebhook(broker, { url: 'https://hooks.example.com/services/a-secret?key=another' });
    expect(lastEvent()).toMatchObject({
      ...{ type: 'webhook.created', principal: idOf(ROOT) },
      details: { name: 'archive', host: 'hooks.example.com', types: 'ticket.denied' },
    });
    expect(JSON.stringify(lastEvent())).not.toMatch(/a-secret|another/);
  });

  it.each<[string, object]>([
    ['a name', { name: '' }],
    ['an address', { url: '' }],
    ['a type', { types: [] }],
    ['a type of the list', { types: ['ticket.lost'] }],
    ['members that are known', { more: 1 }],
    ['https', { url: 'http://receiver.test/' }],
    ['a public host', { url: 'https://169.254.169.254/' }],
    ['an address without our credentials', { url: `https://receiver.test/?t=whsec_${'A'.repeat(43)}=` }],
  ])('needs %s', async (_what, differs) => {
    expect((await create({ ...WISH, ...differs })).status).toBe(400);
  });

  it('says what is wrong with an address', async () => {
    expect(await hintOf(await create({ ...WISH, url: 'http://receiver.test/' }))).toContain(
      'url (it must be https)',
    );
  });

  it.each<[string, Person]>([
    ['who may read the log alone', { sub: 'reader', permissions: ['audit:read'] }],
    ['who may not read what is sent', { sub: 'writer', permissions: ['webhooks:write'] }],
    ['who has neither', { sub: 'nobody' }],
  ])('is not made by a person %s', async (_who, person) => {
    expect((await create(WISH, person)).status).toBe(403);
  });

  it('is not made by a token that is limited to some agents', async () => {
    const token = await broker.call(ROOT, 'POST', '/admin/service-tokens', {
      ...{ name: 'robot', agents: ['counter'], permissions: ['audit:read', 'webhooks:write'] },
    });
    const { client_id, client_secret } = await bodyOf(token);
    const basic = { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` };
    expect((await broker.call(basic, 'POST', '/admin/webhooks', WISH)).status).toBe(403);
    expect((await broker.call(basic, 'GET', '/admin/webhooks')).status).toBe(403);
  });

  it('is deleted once, for a reason that the log keeps', async () => {
    const { id } = await createWebhook(broker);
    expect((await remove(id, '?reason=moved')).status).toBe(200);
    expect(lastEvent()).toMatchObject({ type: 'webhook.deleted', details: { webhook: id, reason: 'moved' } });
    expect((await remove(id)).status).toBe(404);
    expect((await act(id, 'test')).status).toBe(404);
    expect((await act(id, 'redeliver', { after: 0 })).status).toBe(404);
  });

  it.each(['not-an-id', crypto.randomUUID()])('that does not exist is not found: %s', async (id) => {
    const expected = id.includes('not') ? 400 : 404;
    for (const answer of [remove(id), act(id, 'test'), act(id, 'redeliver', { after: 0 })])
      expect((await answer).status).toBe(expected);
  });

  it('comes in pages, newest first, each once', async () => {
    const made = [];
    for (const name of ['one', 'two', 'three']) made.push((await createWebhook(broker, { name })).id);
    const seen: string[] = [];
    let cursor = '';
    do {
      const answer = await broker.call(ROOT, 'GET', `/admin/webhooks?limit=2${cursor}`);
      const page = z
        .object({ items: z.array(z.object({ id: z.string() })), next_cursor: z.string().nullable() })
        .parse(await answer.json());
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next_cursor === null ? '' : `&cursor=${page.next_cursor}`;
    } while (cursor !== '');
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toEqual(expect.arrayContaining(made));
  });

  it('is one of twenty, however many are made at once', async () => {
    const own = await startOperatorBroker();
    const answers = await Promise.all(
      Array.from({ length: MAX_WEBHOOKS + 3 }, () => own.call(ROOT, 'POST', '/admin/webhooks', WISH)),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(MAX_WEBHOOKS);
    expect(answers.filter(({ status }) => status === 403)).toHaveLength(3);
    expect(await own.ports.control.webhooks.list()).toHaveLength(MAX_WEBHOOKS);
  });
});

describe('a test of a webhook', () => {
  it('is a signed message that says so, and answers the status alone', async () => {
    const { id, secret } = await createWebhook(broker, { types: [...AUDIT_TYPES] });
    const sent: Message[] = [];
    broker.receivers.set(RECEIVER, (message) => {
      sent.push(message);
      return { status: 202 };
    });
    const events = broker.events.length;
    expect(await bodyOf(await act(id, 'test'))).toEqual({ delivered: true, status: 202, fault: null });
    // The library that verifies reads the clock of the process.
    vi.useFakeTimers({ toFake: ['Date'], now: broker.clock.now * 1000 });
    const content = new Webhook(secret).verify(sent[0]?.body ?? '', { ...sent[0]?.headers });
    vi.useRealTimers();
    expect(content).toMatchObject({ type: 'webhook.test', data: { webhook: id } });
    expect(broker.events).toHaveLength(events);
  });

  it.each([
    [{ status: 401 }, { delivered: false, status: 401, fault: null }],
    [{ fault: 'address_refused' as const }, { delivered: false, status: null, fault: 'address_refused' }],
  ])('of a receiver with %j says so', async (result, expected) => {
    const { id } = await createWebhook(broker);
    broker.receivers.set(RECEIVER, () => result);
    expect(await bodyOf(await act(id, 'test'))).toEqual(expected);
  });
});

describe('a redelivery', () => {
  const seal = async () => {
    broker.clock.now += 60;
    await sealAudit(broker.ports, broker.clock.now * 1000);
    return (await broker.ports.record.checkpoints.newest())?.through ?? 0;
  };

  it('goes on after an event, or with what was sealed from a time on, and is an event itself', async () => {
    const through = await seal();
    const at = new Date(broker.clock.now * 1000).toISOString();
    const { id } = await createWebhook(broker);
    await writeDenials(broker, ['one', 'two']);
    const end = await seal();
    const moved = await act(id, 'redeliver', { after: through + 1, reason: 'the archive lost them' });
    expect(await bodyOf(moved)).toMatchObject({
      ...{ delivered_through: through + 1, events_waiting: end - through - 1 },
    });
    expect(lastEvent()).toMatchObject({
      type: 'webhook.redelivered',
      details: { webhook: id, after: through + 1, reason: 'the archive lost them' },
    });
    expect(await bodyOf(await act(id, 'redeliver', { from: at }))).toMatchObject({
      delivered_through: through,
    });
    expect(await bodyOf(await act(id, 'redeliver', { after: 0 }))).toMatchObject({ delivered_through: 0 });
    // Not beyond the sealed events: later events would be left out.
    expect(await bodyOf(await act(id, 'redeliver', { after: 1_000_000 }))).toMatchObject({
      delivered_through: end,
    });
  });

  it.each<[string, object]>([
    ['neither', {}],
    ['both', { after: 1, from: '2027-01-15T08:00:00Z' }],
    ['a negative number', { after: -1 }],
    ['no time', { from: 'yesterday' }],
  ])('with %s is refused', async (_what, body) => {
    const { id } = await createWebhook(broker);
    expect((await act(id, 'redeliver', body)).status).toBe(400);
    await remove(id);
  });
});
