import type { AuditType } from '@agent-ticket/shared/audit-event.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { bodyOf } from '../answers.ts';
import { createWebhook } from '../webhooks.ts';
import { type OperatorBroker, ROOT, startOperatorBroker } from './operator-broker.ts';

let broker: OperatorBroker;

beforeEach(async () => {
  broker = await startOperatorBroker();
});

const idIn = async (answer: Response): Promise<string> => z.string().parse((await bodyOf(answer)).id);
const signingKid = async () => {
  const signer = await broker.ports.keyring.signer(broker.clock.now * 1000);
  if (!signer.ok) throw new Error('no key signs');
  return signer.value.row.kid;
};
const makeToken = async () => idIn(await broker.call(ROOT, 'POST', '/admin/service-tokens', { name: 'bot' }));

const makeGrant = async () =>
  idIn(
    await broker.call(ROOT, 'POST', '/admin/grants', {
      ...{
        subject: 'auth0:example.com:1',
        agent: 'counter',
        instance: 'room',
        role: 'viewer',
        reason: 'her team',
      },
    }),
  );
const makeLock = async () =>
  idIn(
    await broker.call(ROOT, 'POST', '/admin/locks', {
      target: { kind: 'agent', agent: 'counter' },
      reason: 'abuse',
    }),
  );

/**
 * A destructive call, by the reason that the operator gives, and the member of the event's details that has the reason: a
 * grant and a lock have one of their own.
 */
const CALLS: readonly [AuditType, (given: { reason?: string }) => Promise<Response>, member?: string][] = [
  ['grant.deleted', async (given) => remove(`/admin/grants/${await makeGrant()}`, given), 'deleted_for'],
  ['lock.lifted', async (given) => remove(`/admin/locks/${await makeLock()}`, given), 'lifted_for'],
  ['agent.deleted', (given) => remove('/api/agents/counter/room', given)],
  [
    'session.terminated',
    async (given) => remove(`/admin/agents/sessions/${await broker.openSession({})}`, given),
  ],
  ['service_token.revoked', async (given) => remove(`/admin/service-tokens/${await makeToken()}`, given)],
  [
    'service_token.secret_ended',
    async (given) => remove(`/admin/service-tokens/${await makeToken()}/replaced-secret`, given),
  ],
  ['webhook.deleted', async (given) => remove(`/admin/webhooks/${(await createWebhook(broker)).id}`, given)],
  [
    'key.revoked',
    async (given) => broker.call(ROOT, 'POST', `/admin/keys/${await signingKid()}/revoke${query(given)}`),
  ],
  ['key.rotated', (given) => broker.call(ROOT, 'POST', '/admin/keys/rotate', { activate: 'now', ...given })],
  [
    'session.terminated',
    (given) => broker.call(ROOT, 'POST', '/admin/agents/sessions/terminate', { agent: 'counter', ...given }),
  ],
];

const query = (given: { reason?: string }) =>
  given.reason === undefined ? '' : `?${new URLSearchParams(given)}`;
const remove = (path: string, given: { reason?: string }) =>
  broker.call(ROOT, 'DELETE', `${path}${query(given)}`);
const eventOf = (type: AuditType) => broker.events.findLast((event) => event.type === type);

describe.each(CALLS)('the event %s', (type, act, member = 'reason') => {
  it('has the reason of the operator', async () => {
    expect((await act({ reason: ' a leak, case 7 ' })).status).toBeLessThan(202);
    expect(eventOf(type)?.details).toMatchObject({ [member]: 'a leak, case 7' });
  });

  it('has none where the operator gives none', async () => {
    expect((await act({})).status).toBeLessThan(202);
    expect(eventOf(type)?.details ?? {}).not.toHaveProperty(member);
  });

  it.each([' ', 'x'.repeat(501), `a leak of atk_${'1'.repeat(22)}_${'2'.repeat(49)}`, 'a\u0007b'])(
    'is not written for the reason %j',
    async (reason) => {
      expect((await act({ reason })).status).toBe(400);
      expect(eventOf(type)).toBeUndefined();
    },
  );
});

it('a reason in the body of a deletion is not lost: the call is refused, and says where the reason belongs', async () => {
  const path = `/admin/grants/${await makeGrant()}`;
  const answer = await broker.call(ROOT, 'DELETE', path, { reason: 'a leak' });
  expect(answer.status).toBe(400);
  expect(await answer.text()).toContain('a reason belongs into the query');
  expect(eventOf('grant.deleted')).toBeUndefined();
});
