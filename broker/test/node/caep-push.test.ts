import { verifyControl } from '@agent-ticket/shared/control.ts';
import { AgentSlug, InstanceName, PrincipalId } from '@agent-ticket/shared/names.ts';
import { CONNECT } from '@agent-ticket/shared/scope.ts';
import { nameRequest } from '@agent-ticket/shared/trace-context.ts';
import { verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { signOut } from '../../src/sign-in/sign-out.ts';
import type { Message, PostResult } from '../../src/webhooks/post.ts';
import {
  findKeyOf,
  idOf,
  type OperatorBroker,
  ROOT,
  startOperatorBroker,
  TENANT,
} from './admin/operator-broker.ts';
import { bodyOf } from './answers.ts';
import { BROKER } from './start-broker.ts';
import { minute, minutes, webhooksOf } from './webhooks.ts';

const RECEIVER = 'https://receiver.test/caep';
const AUDIENCE = 'https://receiver.test';
const REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
const ALICE = idOf({ sub: 'alice' });

let broker: OperatorBroker;
beforeEach(async () => {
  broker = await startOperatorBroker();
});

const create = (wish: object = {}) =>
  broker.call(ROOT, 'POST', '/admin/webhooks', {
    name: 'partner',
    url: RECEIVER,
    audience: AUDIENCE,
    ...wish,
  });

/** Claims of RFC 8417 §2.2 and CAEP 1.0 §3.1, and none beside them. */
const SessionRevoked = z.strictObject({
  iss: z.literal(BROKER),
  aud: z.literal(AUDIENCE),
  iat: z.int(),
  jti: z.uuid(),
  txn: z.uuid(),
  sub_id: z.strictObject({ format: z.literal('iss_sub'), iss: z.string(), sub: z.string() }),
  events: z.strictObject({
    [REVOKED]: z.strictObject({
      event_timestamp: z.int(),
      initiating_entity: z.enum(['admin', 'user', 'policy', 'system']),
    }),
  }),
});

/**
 * A receiver as RFC 8935 §2.2 describes it: takes the request by its media type, verifies the token by the published keys,
 * and takes each `jti` once.
 */
async function pushReceiver(answer: () => PostResult = () => ({ status: 202 })) {
  const [seen, taken]: [string[], z.output<typeof SessionRevoked>[]] = [[], []];
  const keys = createLocalJWKSet(
    z
      .object({ keys: z.array(z.looseObject({ kty: z.string() })) })
      .parse(await (await broker.app.request(`${BROKER}/.well-known/jwks.json`)).json()),
  );
  broker.receivers.set(RECEIVER, async ({ headers, body }: Message) => {
    expect(headers).toMatchObject({ 'content-type': 'application/secevent+jwt', accept: 'application/json' });
    const { payload } = await jwtVerify(body, keys, {
      ...{ typ: 'secevent+jwt', issuer: BROKER, audience: AUDIENCE, algorithms: ['ES256'] },
      currentDate: new Date(broker.clock.now * 1000),
    });
    const claims = SessionRevoked.parse(payload);
    seen.push(claims.jti);
    const result = answer();
    if ('status' in result && result.status === 202 && !taken.some(({ jti }) => jti === claims.jti))
      taken.push(claims);
    return result;
  });
  return { seen, taken };
}

const lockAlice = () =>
  broker.call(ROOT, 'POST', '/admin/locks', {
    target: { kind: 'principal', id: ALICE },
    reason: 'stolen laptop',
  });
const forgetAlice = async () => {
  const grant = { subject: ALICE, agent: 'counter', instance: 'main', role: 'viewer', reason: 'a project' };
  expect((await broker.call(ROOT, 'POST', '/admin/grants', grant)).status).toBe(201);
  const forgotten = await broker.call(ROOT, 'POST', '/admin/principals/forget', { principal: ALICE });
  expect(forgotten.status).toBe(200);
};
const terminateAlice = () =>
  broker.call(ROOT, 'POST', '/admin/agents/sessions/terminate', {
    principal: ALICE,
    reason: 'stolen laptop',
  });

async function signOutAlice(by: 'logout' | 'back-channel' | 'caep', login?: string): Promise<void> {
  const { ports, clock } = broker;
  const named = nameRequest(new Headers(), crypto.randomUUID());
  const context = { ...named, now: clock.now * 1000, ipAddress: null, userAgent: null };
  const principal = { id: PrincipalId.parse(ALICE), kind: 'user', issuer: TENANT } as const;
  const who = {
    principal: { ...principal, groups: [], tier: 'free', permissions: [], sources: [] },
    method: 'auth0',
  } as const;
  const request = new Request(`${BROKER}/auth/logout`);
  const call = { ...context, request, params: {}, who, ports };
  await signOut({ by, principals: [principal.id], login, ends: [] }, call);
}

describe('session-revoked is pushed', () => {
  it.each<[string, () => Promise<unknown>, string]>([
    ['a person was locked', lockAlice, 'admin'],
    ['the sessions of a person were terminated', terminateAlice, 'admin'],
    ['a person signed out everywhere', () => signOutAlice('logout'), 'user'],
    ['the tenant signed a person out', () => signOutAlice('back-channel'), 'system'],
    ['a person was forgotten', forgetAlice, 'admin'],
  ])('when %s, once, with the person as the issuer names it', async (_what, act, by) => {
    const { taken } = await pushReceiver();
    expect((await create()).status).toBe(201);
    await act();
    const at = broker.clock.now;
    await minutes(broker, 3);
    expect(taken).toEqual([
      expect.objectContaining({
        sub_id: { format: 'iss_sub', iss: TENANT, sub: 'alice' },
        events: { [REVOKED]: { event_timestamp: at, initiating_entity: by } },
      }),
    ]);
  });

  it.each<[string, (token: string) => Promise<Response>]>([
    [
      'locked',
      (id) =>
        broker.call(ROOT, 'POST', '/admin/locks', { target: { kind: 'service-token', id }, reason: 'x' }),
    ],
    ['revoked', (id) => broker.call(ROOT, 'DELETE', `/admin/service-tokens/${id}`)],
    [
      'told to end its sessions',
      (id) =>
        broker.call(ROOT, 'POST', '/admin/agents/sessions/terminate', { service_token: id, reason: 'x' }),
    ],
  ])('when a service token was %s, with its principal as the broker names it', async (_what, act) => {
    const { taken } = await pushReceiver();
    await create();
    const wish = { name: 'job', tier: 'free', expires_in: 3600 };
    const made = await broker.call(ROOT, 'POST', '/admin/service-tokens', wish);
    const { client_id: id } = z.looseObject({ client_id: z.string() }).parse(await made.json());
    expect((await act(id)).ok).toBe(true);
    await minutes(broker, 2);
    expect(taken).toMatchObject([{ sub_id: { format: 'iss_sub', iss: BROKER, sub: `token:${id}` } }]);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['one sign-in of a person ended', () => signOutAlice('logout', 'login-1')],
    ['another transmitter said so, or two systems would never stop', () => signOutAlice('caep')],
    [
      'an agent was locked',
      () =>
        broker.call(ROOT, 'POST', '/admin/locks', {
          target: { kind: 'agent', agent: 'counter' },
          reason: 'abuse',
        }),
    ],
    [
      'the sessions of an agent were terminated',
      () =>
        broker.call(ROOT, 'POST', '/admin/agents/sessions/terminate', { agent: 'counter', reason: 'abuse' }),
    ],
  ])('not when %s', async (_what, act) => {
    const { seen } = await pushReceiver();
    await create();
    await act();
    await minutes(broker, 2);
    expect(seen).toEqual([]);
  });

  it('again with the same jti after an hour without the receiver, and with its authorization', async () => {
    const end = broker.clock.now + 3600;
    const { seen, taken } = await pushReceiver(() => ({ status: broker.clock.now < end ? 503 : 202 }));
    const receive = broker.receivers.get(RECEIVER);
    const authorizations = new Set<string | undefined>();
    broker.receivers.set(RECEIVER, (message) => {
      authorizations.add(message.headers.authorization);
      return receive?.(message) ?? { status: 500 };
    });
    await create({ authorization: 'Bearer of-the-receiver' });
    await lockAlice();
    await minutes(broker, 72);
    expect(taken).toHaveLength(1);
    expect(new Set(seen)).toEqual(new Set([taken[0]?.jti]));
    expect(authorizations).toEqual(new Set(['Bearer of-the-receiver']));
    const texts = [await webhooksOf(broker), await broker.ports.control.webhooks.list(), broker.logged];
    expect(JSON.stringify(texts)).not.toContain('of-the-receiver');
  });

  it('as a verification event in a test', async () => {
    const bodies: string[] = [];
    broker.receivers.set(RECEIVER, ({ body }) => {
      bodies.push(body);
      return { status: 202 };
    });
    const { id, secret } = await bodyOf(await create());
    expect(secret).toBeNull();
    const tested = await broker.call(ROOT, 'POST', `/admin/webhooks/${id}/test`);
    expect(await bodyOf(tested)).toEqual({ delivered: true, status: 202, fault: null });
    const payload = JSON.parse(Buffer.from(bodies[0]?.split('.')[1] ?? '', 'base64url').toString());
    expect(payload).toMatchObject({
      sub_id: { format: 'opaque', id },
      events: { 'https://schemas.openid.net/secevent/ssf/event-type/verification': {} },
    });
  });
});

describe('a pushed token is taken for nothing else', () => {
  const token = async () => {
    let body = '';
    broker.receivers.set(RECEIVER, (message) => {
      body = message.body;
      return { status: 202 };
    });
    await create();
    await lockAlice();
    await minute(broker);
    return body;
  };
  const common = () => ({ issuer: BROKER, nowSeconds: broker.clock.now, findKey: findKeyOf(broker.ports) });

  it('not for a ticket, nor for a command', async () => {
    const set = await token();
    expect(set).not.toBe('');
    const route = { agent: AgentSlug.parse('counter'), instance: InstanceName.parse('main') };
    const asTicket = await verifyTicket(set, { ...common(), audience: AUDIENCE, route, scope: CONNECT });
    expect(asTicket).toMatchObject({ ok: false, denial: { reason: 'ticket_header_invalid' } });
    const asCommand = await verifyControl(set, { ...common(), ticketAudience: AUDIENCE });
    expect(asCommand.ok).toBe(false);
  });

  it('not for a credential of the broker', async () => {
    const headers = { authorization: `Bearer ${await token()}` };
    expect((await broker.app.request(`${BROKER}/me`, { headers })).status).toBe(401);
  });

  it.each(['agents.test', 'agents.test/control', BROKER])(
    'never has an audience of ours: %s',
    async (audience) => {
      expect((await create({ audience })).status).toBe(400);
    },
  );

  it.each<[string, object]>([
    ['types', { types: ['lock.created'] }],
    ['an authorization that breaks a line', { authorization: 'Bearer a\r\nx: y' }],
    ['an authorization and no audience', { audience: undefined, authorization: 'Bearer a' }],
  ])('a receiver is not made with %s', async (_what, wish) => {
    expect((await create(wish)).status).toBe(400);
  });
});
