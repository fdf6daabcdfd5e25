import { env } from 'cloudflare:workers';
import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, it } from 'vitest';
import { AGENTS } from '../../agents.ts';
import { assertion, serveCerts, TEAM } from './access.ts';
import { startBroker } from './broker.ts';
import { COUNTER, LOBBY, mint, newAddress, newInstance, refusal, requestIdOf, ticketOf } from './call.ts';
import { NOW } from './clock.ts';
import { printed } from './printed.ts';
import { delivered, eventsWith, expectEvents, ringAlarms } from './record.ts';
import { headerOf } from './tickets.ts';
import { grant, lock, makeToken } from './tokens.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

describe('a ticket that was issued', () => {
  it('is one event with everything that the contract names', async () => {
    const token = await makeToken();
    await grant(token.principal, { role: 'admin' });
    const request = { agent: 'counter', instance: newInstance(), scope: 'agent:message' };
    const from = newAddress();
    const reply = await mint({ ...token.pair, 'user-agent': 'tester/1.0' }, request, { from });
    const answer = ticketOf(reply);
    const [event] = await expectEvents(token.principal, ['ticket.issued']);
    expect(event).toEqual({
      seq: expect.any(Number),
      event_id: expect.stringMatching(UUID),
      at: NOW * 1000,
      type: 'ticket.issued',
      outcome: 'success',
      code: null,
      user_id: token.principal,
      agent_slug: 'counter',
      instance_id: request.instance,
      jti: answer.jti,
      session_id: null,
      kid: headerOf(answer).kid,
      ip_address: from,
      user_agent: 'tester/1.0',
      request_id: requestIdOf(reply),
      policy_version: expect.stringMatching(/./),
      details: expect.any(String),
    });
    expect(JSON.parse(event?.details ?? '')).toMatchObject({
      role: 'admin',
      scope: 'agent:connect agent:message',
      transport: 'websocket',
    });
    expect(event?.event_id).not.toBe(answer.jti);
  });

  it('to an anonymous caller is one event as well', async () => {
    const from = newAddress();
    const answer = ticketOf(await mint(undefined, LOBBY, { from }));
    await eventually(async () => {
      const events = await eventsWith('ip_address', from);
      expect(events).toHaveLength(1);
      expect(events[0]).toMatchObject({ type: 'ticket.issued', jti: answer.jti });
      expect(events[0]?.user_id).toMatch(/^anonymous:/);
    });
  });

  it('to a person is an event without the address of that person', async () => {
    serveCerts();
    const sub = crypto.randomUUID();
    const { front } = startBroker();
    ticketOf(await mint(await assertion({ sub, email: 'canary@example.com' }), COUNTER, { front }));
    const events = await expectEvents(`access:${TEAM}:user:${sub}`, ['ticket.issued']);
    expect(JSON.stringify(events)).not.toContain('canary@');
    expect(printed.join('\n')).not.toContain('canary@');
  });

  it('is one event each, when 20 come at once, and each is there once', async () => {
    const token = await makeToken();
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => ticketOf(await mint(token.pair))),
    );
    const events = await expectEvents(
      token.principal,
      Array.from({ length: 20 }, () => 'ticket.issued'),
    );
    expect(new Set(events.map(({ jti }) => jti))).toEqual(new Set(answers.map(({ jti }) => jti)));
    expect(new Set(events.map(({ event_id }) => event_id)).size).toBe(20);
    await ringAlarms();
    ticketOf(await mint(token.pair));
    await expectEvents(
      token.principal,
      Array.from({ length: 21 }, () => 'ticket.issued'),
    );
  });

  it('keeps no more of a user agent than 256 characters', async () => {
    const token = await makeToken();
    ticketOf(await mint({ ...token.pair, 'user-agent': 'u'.repeat(5000) }));
    const [event] = await expectEvents(token.principal, ['ticket.issued']);
    expect(event?.user_agent).toBe('u'.repeat(256));
  });

  it('is recorded in order of arrival, without a hole', async () => {
    const token = await makeToken();
    for (let i = 0; i < 5; i += 1) ticketOf(await mint(token.pair));
    await expectEvents(
      token.principal,
      Array.from({ length: 5 }, () => 'ticket.issued'),
    );
    const row = await env.RECORD.prepare(
      'SELECT count(*) AS n, min(seq) AS first, max(seq) AS last FROM audit_events',
    ).first<{ n: number; first: number; last: number }>();
    expect(row?.n).toBe((row?.last ?? 0) - (row?.first ?? 0) + 1);
  });
});

describe('a ticket that was denied', () => {
  const asleep: AgentEntry = { ...AGENTS[0], slug: 'asleep', bindingKey: 'ASLEEP', enabled: false };
  const { front } = startBroker({ ports: { registry: [...AGENTS, asleep] } });

  it.each([
    ['for an unknown agent', 'agent_unknown', { agent: 'nobody', instance: 'default' }],
    ['for a disabled agent', 'agent_unknown', { agent: 'asleep', instance: 'default' }],
    ['for an unlisted instance', 'instance_unlisted', { agent: 'lobby', instance: 'other' }],
    ['for more than the role', 'scope_outside_role', { ...COUNTER, scope: 'agent:rpc:*' }],
  ])('%s is one event that says exactly why', async (_what, code, request) => {
    const token = await makeToken();
    const reply = await mint(token.pair, request, { front });
    expect(reply.status).toBeGreaterThanOrEqual(403);
    const [event] = await expectEvents(token.principal, ['ticket.denied']);
    expect(event).toMatchObject({
      type: 'ticket.denied',
      outcome: 'denied',
      code,
      agent_slug: request.agent,
      instance_id: request.instance,
      jti: null,
      request_id: requestIdOf(reply),
    });
  });

  it('because of a lock is one event', async () => {
    const token = await makeToken();
    await lock(`service-token:${token.id}`);
    expect(refusal(await mint(token.pair))).toBe('403 FORBIDDEN');
    const [event] = await expectEvents(token.principal, ['ticket.denied']);
    expect(event?.code).toBe('locked');
  });

  it.each([
    ['without a credential', undefined],
    ['with a wrong one', { authorization: 'Bearer nonsense' }],
  ])('%s is a security event, and none of the audit log', async (_what, headers) => {
    const instance = newInstance();
    const reply = await mint(headers, { agent: 'counter', instance: instance });
    expect(reply.status).toBe(401);
    expect(printed.some((line) => line.includes(requestIdOf(reply) ?? 'none'))).toBe(true);
    await delivered();
    expect(await eventsWith('instance_id', instance)).toEqual([]);
  });

  it('because the request is bad leaves no row', async () => {
    const token = await makeToken();
    await mint(token.pair, { ...COUNTER, expires_in: 1 });
    ticketOf(await mint(token.pair));
    await expectEvents(token.principal, ['ticket.issued']);
  });
});
