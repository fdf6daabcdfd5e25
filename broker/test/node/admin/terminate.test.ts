import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { bodyOf } from '../answers.ts';
import { NOW } from '../start-broker.ts';
import {
  CLEAN,
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
} from './operator-broker.ts';

let broker: OperatorBroker;
const ALICE: Person = { sub: 'alice', email: 'alice@people.test', email_verified: true };
const TWIN: Person = { ...ALICE, at: 'other' };
const TOKEN = `svc_${'1'.repeat(22)}`;
const AT = { agent: 'counter', instance: 'main' };

beforeEach(async () => {
  broker = await startOperatorBroker();
});

const terminate = (body: object, who: Parameters<OperatorBroker['call']>[0] = ROOT) =>
  broker.call(who, 'POST', '/admin/agents/sessions/terminate', body);
const events = () => broker.events.filter(({ type }) => type === 'session.terminated');

describe('POST /admin/agents/sessions/terminate', () => {
  it.each<[string, object, object, string]>([
    [
      'a principal',
      { principal: idOf(ALICE) },
      { kind: 'principal', id: idOf(ALICE) },
      `principal:${idOf(ALICE)}`,
    ],
    [
      'a service token',
      { service_token: TOKEN },
      { kind: 'service-token', id: TOKEN },
      `service-token:${TOKEN}`,
    ],
    [
      'a service token by its principal',
      { principal: `token:${TOKEN}` },
      { kind: 'service-token', id: TOKEN },
      `service-token:${TOKEN}`,
    ],
    ['an agent', { agent: 'counter' }, { kind: 'agent', agent: 'counter' }, 'agent:counter'],
    ['an instance', AT, { kind: 'instance', ...AT }, 'instance:counter/main'],
    [
      'an address',
      { ip_address: '2001:DB8::0:7' },
      { kind: 'address', address: '2001:db8::7' },
      'address:2001:db8::7',
    ],
  ])('ends the sessions of %s and the tickets from before', async (_what, selector, target, name) => {
    const answer = await terminate({ ...selector, reason: 'left the company' });
    expect([answer.status, await bodyOf(answer)]).toEqual([200, { target, receipt: CLEAN }]);
    expect(await broker.lastCommand()).toMatchObject({
      op: 'revoke',
      revocation: { target: name, kind: 'before', code: 'session_terminated' },
    });
    const [event] = events();
    expect(event).toMatchObject({
      principal: idOf(ROOT),
      details: { target: name, reason: 'left the company' },
    });
  });

  it('is no ban: a ticket from before is revoked, a new one is not', async () => {
    await terminate({ principal: idOf(ALICE) });
    const names = [`principal:${idOf(ALICE)}`];
    const { revocation } = z
      .object({ revocation: z.object({ rev: z.int() }) })
      .parse(await broker.lastCommand());
    expect(await broker.whyRevoked({ names, rev: revocation.rev - 1 })).toBe('session_terminated');
    expect(await broker.whyRevoked({ names, rev: revocation.rev })).toBeUndefined();
    expect(await broker.mint(ALICE, 'counter', 'main')).toBe(201);
    expect((await bodyOf(await broker.call(ROOT, 'GET', '/admin/locks'))).items).toEqual([]);
  });

  it('ends the credentials from before with sign_out, and a newer one is taken', async () => {
    await broker.mint(ALICE, 'counter', 'main');
    const answer = await terminate({ label: 'alice@people.test', sign_out: true });
    expect([answer.status, events()[0]?.details]).toEqual([
      200,
      { target: `principal:${idOf(ALICE)}`, sign_out: true },
    ]);
    expect(await broker.mint(ALICE, 'counter', 'main')).toBe(401);
    expect(await broker.mint({ ...ALICE, iat: NOW + 1 }, 'counter', 'main')).toBe(201);
  });

  it('says that it reached 3 of 5 objects, and repeating it asks again', async () => {
    const partial = { closed: 3, objects: 3, unreachable: 2, pending: 0, ms: 5 };
    broker.worker.answer = async () => Response.json(partial);
    const first = await terminate({ agent: 'counter' });
    expect([first.status, await broker.changesWaiting()]).toEqual([202, 1]);
    expect(await bodyOf(first)).toMatchObject({ receipt: partial });
    broker.worker.answer = async () => Response.json(CLEAN);
    const second = await terminate({ agent: 'counter' });
    expect([second.status, (await bodyOf(second)).receipt]).toEqual([200, CLEAN]);
    expect(broker.worker.tokens).toHaveLength(2);
  });

  it('names the principal that a label is of, and the event has no label', async () => {
    await broker.mint(ALICE, 'counter', 'main');
    const answer = await terminate({ label: 'Alice@People.test' });
    expect([answer.status, (await bodyOf(answer)).target]).toEqual([
      200,
      { kind: 'principal', id: idOf(ALICE) },
    ]);
    expect(JSON.stringify(broker.events)).not.toMatch(/people\.test/i);
  });

  it('says of a label that nobody has where the ids are', async () => {
    const answer = await terminate({ label: 'nobody@people.test' });
    expect([answer.status, await answer.text()]).toEqual([
      404,
      expect.stringContaining(
        'nobody has this label: take the id of the principal from the list of sessions',
      ),
    ]);
  });

  it('ends nothing for a label of several principals, and names them', async () => {
    await broker.mint(ALICE, 'counter', 'main');
    await broker.mint(TWIN, 'counter', 'main');
    const answer = await terminate({ label: 'alice@people.test' });
    const text = await answer.text();
    expect(answer.status).toBe(409);
    for (const id of [idOf(ALICE), idOf(TWIN)]) expect(text).toContain(id);
    expect([broker.worker.tokens, events()]).toEqual([[], []]);
  });

  it.each<[string, object, number]>([
    ['no selector', {}, 400],
    ['a reason alone', { reason: 'x' }, 400],
    ['two selectors', { principal: 'a:b', ip_address: '192.0.2.7' }, 400],
    ['an agent and a principal', { agent: 'counter', principal: 'a:b' }, 400],
    ['an instance without its agent', { instance: 'main' }, 400],
    ['an instance beside an address', { instance: 'main', ip_address: '192.0.2.7' }, 400],
    ['an unknown agent', { agent: 'conuter' }, 400],
    ['no address', { ip_address: '192.0.2' }, 400],
    ['a range of addresses', { ip_address: '192.0.2.0/24' }, 400],
    ['everything', { everything: true }, 400],
    ['a sign-out of an agent', { agent: 'counter', sign_out: true }, 400],
    ['a sign-out of a service token', { principal: `token:${TOKEN}`, sign_out: true }, 400],
    ['a sign-out that is no boolean', { principal: 'a:b', sign_out: 'yes' }, 400],
    ['an empty reason', { agent: 'counter', reason: ' ' }, 400],
    [
      'a credential as its reason',
      { agent: 'counter', reason: `atk_${'1'.repeat(22)}_${'2'.repeat(49)}` },
      400,
    ],
    ['a label that nobody has', { label: 'nobody@people.test' }, 404],
  ])('refuses %s', async (_what, body, status) => {
    expect((await terminate(body)).status).toBe(status);
    expect([broker.worker.tokens, events()]).toEqual([[], []]);
  });

  it.each<[object, number]>([
    [{ agent: 'counter' }, 200],
    [AT, 200],
    [{ agent: 'lobby' }, 403],
    [{ principal: 'auth0:tenant.test:bob' }, 403],
    [{ label: 'bob' }, 403],
    [{ service_token: TOKEN }, 403],
    [{ ip_address: '192.0.2.7' }, 403],
  ])('by a token that is limited to the counter, of %j, is a %d', async (body, status) => {
    const made = await broker.call(ROOT, 'POST', '/admin/service-tokens', {
      ...{ name: 'limited', agents: ['counter'], permissions: ['sessions:terminate'] },
    });
    const { client_secret } = await bodyOf(made);
    expect((await terminate(body, { authorization: `Bearer ${client_secret}` })).status).toBe(status);
  });

  it('needs the permission', async () => {
    const who = { sub: 'op', permissions: ['sessions:read', 'locks:write'] };
    expect((await terminate({ agent: 'counter' }, who)).status).toBe(403);
  });

  it('hits for as long as a session can keep rights from before', async () => {
    await terminate({ agent: 'counter' });
    const { revocation } = z
      .object({ revocation: z.object({ until: z.int() }) })
      .parse(await broker.lastCommand());
    expect(revocation.until).toBeGreaterThan((NOW + 3600) * 1000);
  });
});
