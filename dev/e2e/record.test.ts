import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, inject, it } from 'vitest';
import { askForTicket, kidOf, mint, throughAccess } from './broker.ts';
import { connected, nextFrame, openSocket, socketUrl, watchToClose } from './sockets.ts';
import { type EventRow, eventsOf, sessionsOf } from './stack-queries.ts';

const COUNTER = 'counter';
const principal = (): string => `token:${inject('stack').serviceToken.id}`;

/** Waits until exactly these events of an instance have arrived, in the order of their time. */
async function eventsBecome(instance: string, types: readonly string[]): Promise<EventRow[]> {
  return eventually(async () => {
    const events = (await eventsOf(COUNTER, instance)).toSorted((a, b) => a.at - b.at || a.seq - b.seq);
    expect(events.map(({ type }) => type)).toEqual(types);
    return events;
  });
}

it('the record has a session from its start on, and later its end and the reason', async () => {
  const instance = 'recorded';
  const before = Date.now();
  const { ticket, jti, role, scope } = await mint({ instance });
  const client = await connected(COUNTER, instance, { query: { ticket } });
  const { session } = await client.call<{ session: string }>('whoami');

  const [open] = await eventually(async () => {
    const rows = await sessionsOf(COUNTER, instance);
    expect(rows).toHaveLength(1);
    return rows;
  });
  const facts = { id: session, user_id: principal(), role, scope, jti, kid: kidOf(ticket) };
  expect(open).toMatchObject({ ...facts, ended_at: null, end_reason: null });
  expect(open?.started_at).toBeGreaterThanOrEqual(before);

  client.close();
  await eventually(async () => {
    const [ended] = await sessionsOf(COUNTER, instance);
    expect(ended).toMatchObject({ ...facts, end_reason: 'client_closed' });
    expect(ended?.ended_at).toBeGreaterThanOrEqual(open?.started_at ?? Number.POSITIVE_INFINITY);
  });
});

it('the audit log has every event of a ticket', async () => {
  const instance = 'all-events';
  const answer = await askForTicket({ instance });
  const { ticket, jti }: { ticket: string; jti: string } = await answer.json();
  const client = await connected(COUNTER, instance, { query: { ticket } });
  const { session } = await client.call<{ session: string }>('whoami');
  await expect(client.call('reset')).rejects.toThrow();
  client.close();

  const events = await eventsBecome(instance, [
    'ticket.issued',
    'ticket.used',
    'session.opened',
    'rpc.denied',
    'session.closed',
  ]);
  const all = { user_id: principal(), agent_slug: COUNTER, instance_id: instance, jti, kid: kidOf(ticket) };
  for (const event of events) expect(event).toMatchObject(all);
  const [issued, used, opened, denied, closed] = events;
  expect(issued).toMatchObject({
    outcome: 'success',
    session_id: null,
    request_id: answer.headers.get('x-request-id'),
    policy_version: expect.any(String),
  });
  expect(used).toMatchObject({ outcome: 'success', details: JSON.stringify({ delivery: 'query' }) });
  for (const event of [opened, denied, closed]) expect(event?.session_id).toBe(session);
  expect(denied).toMatchObject({ outcome: 'denied', code: 'frame_scope_missing' });
  expect(denied?.details).toContain('"method":"reset"');
  expect(closed).toMatchObject({ outcome: 'success', code: 'client_closed' });
});

it('a ticket that is refused at the broker is in the audit log with the exact reason', async () => {
  const instance = 'refused-at-mint';
  const headers = await throughAccess({ email: 'vera@example.com' });
  const answer = await askForTicket({ instance, scope: 'agent:rpc:increment' }, headers);
  expect(answer.status).toBe(403);
  const [denied] = await eventsBecome(instance, ['ticket.denied']);
  expect(denied).toMatchObject({ outcome: 'denied', code: 'scope_outside_role', jti: null });
  expect(denied?.user_id).toMatch(/^access:/);
});

it('a refused socket causes no session, and without a verified ticket no audit event', async () => {
  const instance = 'refused-at-the-gate';
  await watchToClose(socketUrl(COUNTER, instance));
  await watchToClose(socketUrl(COUNTER, instance, { ticket: 'let-me-in' }));
  const { url } = await mint({ instance });
  await nextFrame(openSocket(url).socket);
  await eventsBecome(instance, ['ticket.issued', 'ticket.used', 'session.opened']);
  expect(await sessionsOf(COUNTER, instance)).toHaveLength(1);
});

it('a session records the client address by Cloudflare and the user agent', async () => {
  const instance = 'known';
  const { url } = await mint({ instance });
  const headers = { 'user-agent': 'a test', 'cf-connecting-ip': '203.0.113.7' };
  await nextFrame(openSocket(url, { headers }).socket);
  await eventually(async () => {
    expect(await sessionsOf(COUNTER, instance)).toEqual([
      expect.objectContaining({ user_agent: 'a test', ip_address: '203.0.113.7' }),
    ]);
  });
});
