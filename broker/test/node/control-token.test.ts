import { controlAudience, verifyControl } from '@agent-ticket/shared/control.ts';
import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { CONNECT } from '@agent-ticket/shared/scope.ts';
import { verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { findKeyOf, type OperatorBroker, ROOT, startOperatorBroker } from './admin/operator-broker.ts';
import { bodyOf } from './answers.ts';
import { BROKER, NOW } from './start-broker.ts';

let broker: OperatorBroker;
let command: string;
let ticket: string;

beforeAll(async () => {
  broker = await startOperatorBroker();
  await broker.call(ROOT, 'POST', '/admin/locks', {
    target: { kind: 'agent', agent: 'lobby' },
    reason: 'test',
    expires_in: 60,
  });
  command = broker.worker.tokens.at(-1) ?? '';
  const answer = await broker.call(ROOT, 'POST', '/tickets', { agent: 'counter', instance: 'main' });
  ticket = z.string().parse((await bodyOf(answer)).ticket);
});

const expected = (other: object = {}) => ({
  issuer: BROKER,
  ticketAudience: 'agents.test',
  nowSeconds: NOW,
  findKey: findKeyOf(broker.ports),
  ...other,
});
const reason = (outcome: Awaited<ReturnType<typeof verifyControl>>) =>
  outcome.ok ? 'accepted' : outcome.denial.reason;

describe('the control token', () => {
  it('says what it is, for whom and for thirty seconds', () => {
    expect(decodeProtectedHeader(command)).toMatchObject({ typ: 'agent-control+jwt' });
    expect(decodeJwt(command)).toEqual({
      iss: BROKER,
      aud: controlAudience('agents.test'),
      jti: expect.any(String),
      iat: NOW,
      exp: NOW + 30,
      cmd: { op: 'lock', target: { kind: 'agent', agent: 'lobby' }, until: (NOW + 60) * 1000 },
      before: (NOW + CLOCK_SKEW_SECONDS) * 1000,
    });
  });

  it.each<[string, object, string]>([
    ['verifies', {}, 'accepted'],
    ['verifies just before its end', { nowSeconds: NOW + 34 }, 'accepted'],
    ['is nothing after its end', { nowSeconds: NOW + 35 }, 'control_invalid'],
    ['is nothing before its time', { nowSeconds: NOW - 6 }, 'control_invalid'],
    ['is nothing of another broker', { issuer: 'https://evil.test' }, 'control_invalid'],
    ['is nothing for another worker', { ticketAudience: 'other.test' }, 'control_invalid'],
  ])('%s', async (_what, other, verdict) => {
    expect(reason(await verifyControl(command, expected(other)))).toBe(verdict);
  });

  it.each([
    ['of the ticket audience', 'agents.test'],
    ['even of its own audience', controlAudience('agents.test')],
  ])('is never a ticket, %s', async (_what, audience) => {
    const route = { agent: 'counter', instance: 'main' };
    const { issuer, nowSeconds, findKey } = expected();
    const outcome = await verifyTicket(command, {
      issuer,
      audience,
      nowSeconds,
      route,
      scope: CONNECT,
      findKey,
    });
    expect(outcome).toMatchObject({ ok: false, denial: { reason: 'ticket_header_invalid' } });
  });

  it('cannot be had from a ticket', async () => {
    expect(await verifyControl(ticket, expected())).toMatchObject({
      ok: false,
      denial: { reason: 'control_invalid', detail: 'header' },
    });
  });

  it('is no credential at the broker', async () => {
    const answer = await broker.call({ authorization: `Bearer ${command}` }, 'GET', '/me');
    expect(answer.status).toBe(401);
  });

  it('has a name of its own each time', async () => {
    const lock = { target: { kind: 'agent', agent: 'lobby' }, reason: 'test' };
    await broker.call(ROOT, 'POST', '/admin/locks', lock);
    expect(decodeJwt(broker.worker.tokens.at(-1) ?? '').jti).not.toBe(decodeJwt(command).jti);
  });
});
