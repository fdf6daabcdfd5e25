import { DENIALS, type DenialReason } from '@agent-ticket/shared/denial.ts';
import { KeyId, SessionId } from '@agent-ticket/shared/names.ts';
import { PAYLOAD } from '@agent-ticket/shared/test/tickets.ts';
import { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import { describe, expect, test } from 'vitest';
import { CF_MEMBERS, denialAnswer, denialOf, isUpgrade, readHandover, writeHandover } from './handover.ts';

const ticket = { claims: TicketClaims.parse(PAYLOAD), kid: KeyId.parse('k'.repeat(43)) };
const facts = {
  sessionId: SessionId.parse('0d3f6f0e-6f0c-4d0e-8a51-6d1f6b2a9c10'),
  delivery: 'query',
  requestId: 'r',
  ipAddress: null,
  userAgent: 'tests',
  limits: { socketsPerPrincipal: 16, messagesPerSecond: 20, frameBytes: 65536 },
  feed: 'fresh',
} as const;
const written = writeHandover({ colo: 'AMS' }, ticket, facts);
const member = Object(written.agentTicket);

describe('what the gate hands over', () => {
  test('arrives as it was, beside what was there', () => {
    expect(readHandover(JSON.parse(JSON.stringify(written)))).toEqual({ ...ticket, ...facts });
    expect(written.colo).toBe('AMS');
  });

  test('replaces whatever pretended to be it', () => {
    const forged = { agentTicket: { claims: 'forged' } };
    expect(readHandover(writeHandover(forged, ticket, facts))).toEqual({ ...ticket, ...facts });
  });

  test('drops every member of ours that came from outside, and no other', () => {
    const forged = Object.fromEntries([...CF_MEMBERS, 'agentTicketOfTomorrow'].map((name) => [name, {}]));
    const cf = writeHandover({ ...forged, colo: 'AMS' }, ticket, facts);
    expect(Object.keys(cf).sort()).toEqual(['agentTicket', 'colo']);
  });

  test('keeps every claim, the actor too', () => {
    const claims = TicketClaims.parse({
      ...PAYLOAD,
      client_id: 'cli',
      act: { sub: 'token:a', act: { sub: 'token:b' } },
    });
    expect(readHandover(writeHandover(undefined, { ...ticket, claims }, facts))?.claims).toEqual(claims);
  });

  test.for([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'agentTicket'],
    ['an empty member', { agentTicket: {} }],
    ['another member', { agentTickets: member }],
    ['a text for a member', { agentTicket: JSON.stringify(member) }],
    ['a member with something more', { agentTicket: { ...member, admin: true } }],
    ['no session', { agentTicket: { ...member, sessionId: undefined } }],
    ['a session that is no id', { agentTicket: { ...member, sessionId: 'mine' } }],
    ['a key that is no id', { agentTicket: { ...member, kid: 'k' } }],
    ['an unknown delivery', { agentTicket: { ...member, delivery: 'cookie' } }],
    ['claims with something more', { agentTicket: { ...member, claims: { ...PAYLOAD, admin: true } } }],
    ['claims without a name', { agentTicket: { ...member, claims: { ...PAYLOAD, sub: undefined } } }],
    [
      'claims with an unknown scope',
      { agentTicket: { ...member, claims: { ...PAYLOAD, scope: 'agent:all' } } },
    ],
    ['claims with scopes in a list', { agentTicket: { ...member, claims: ticket.claims } }],
  ])('is not %s', ([, cf]) => {
    expect(readHandover(cf)).toBeUndefined();
  });
});

const isReason = (text: string): text is DenialReason => Object.hasOwn(DENIALS, text);

test('every refusal of an object is read back by the gate, and its answer has no body', async () => {
  for (const reason of Object.keys(DENIALS).filter(isReason)) {
    const answer = denialAnswer({ reason });
    expect(answer.status).toBe(403);
    expect(await answer.clone().text()).toBe('');
    expect(denialOf(answer)).toEqual({ reason });
  }
});

test.for(['', 'toString', '__proto__', 'nothing', 'agent_failed, agent_failed'])(
  'an answer that says "%s" is none',
  (said) => {
    expect(denialOf(new Response(null, { headers: { 'x-agent-ticket-denial': said } }))).toBeUndefined();
  },
);

test('an answer that says nothing is none', () => {
  expect(denialOf(new Response('fine'))).toBeUndefined();
});

test('an upgrade is one in any spelling of its header, and only to a WebSocket', () => {
  const values = ['websocket', 'WebSocket', 'WEBSOCKET', 'h2c', 'websocket, h2c', ''];
  expect(values.filter((upgrade) => isUpgrade(new Headers({ upgrade })))).toEqual(values.slice(0, 3));
  expect(isUpgrade(new Headers())).toBe(false);
});
