import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { idOf, type Office, openOffice, type Person, ROOT } from './admin/office.ts';
import { bodyOf } from './answers.ts';
import { basic, NOW } from './stand.ts';

let office: Office;
const ALICE: Person = { sub: 'alice' };
const BOB: Person = { sub: 'bob' };

beforeEach(async () => {
  office = await openOffice();
});

const grant = (who: Person, agent: string, role: string, instance = 'room') =>
  office.call(ROOT, 'POST', '/admin/grants', { subject: idOf(who), agent, instance, role, reason: 'test' });
const List = z.object({ items: z.array(z.looseObject({ agent: z.string(), role: z.string() })) });
const roles = async (who: Parameters<Office['call']>[0]) =>
  Object.fromEntries(
    List.parse(await (await office.call(who, 'GET', '/api/agents')).json()).items.map(({ agent, role }) => [
      agent,
      role,
    ]),
  );

describe('GET /api/agents', () => {
  it.each<[string, Person | undefined, object]>([
    ['a stranger sees what is public', undefined, { lobby: 'viewer' }],
    [
      'a user sees what is open, too',
      ALICE,
      { counter: 'viewer', lobby: 'viewer', diary: 'owner', letters: 'owner', chat: 'owner' },
    ],
  ])('%s', async (_what, who, expected) => {
    expect(await roles(who)).toEqual(expected);
  });

  it('the best role on any instance is shown', async () => {
    await grant(ALICE, 'counter', 'viewer', 'a');
    await grant(ALICE, 'counter', 'admin', 'b');
    await grant(ALICE, 'hidden', 'viewer');
    await grant(ALICE, 'diary', 'viewer', 'bobs');
    await grant(ALICE, 'retired', 'owner');
    expect(await roles(ALICE)).toEqual({
      counter: 'admin',
      lobby: 'viewer',
      diary: 'viewer',
      hidden: 'viewer',
      letters: 'owner',
      chat: 'owner',
    });
  });

  it('a service sees nothing that belongs to a first user, nor what its token leaves out', async () => {
    const seen = async (agents?: string[]) => {
      const token = await office.stand.makeServiceToken(agents === undefined ? {} : { agents });
      return roles({ authorization: basic(token.clientId, token.clientSecret).authorization ?? '' });
    };
    expect(Object.keys(await seen())).not.toContain('diary');
    expect(Object.keys(await seen(['lobby']))).toEqual(['lobby']);
  });
});

describe('DELETE /api/agents/:agent/:instance', () => {
  const remove = (who: Person | undefined, path = 'counter/room') =>
    office.call(who, 'DELETE', `/api/agents/${path}`);

  it('by its owner destroys it, drops its grants, and leaves others alone', async () => {
    await grant(ALICE, 'counter', 'owner');
    await grant(BOB, 'counter', 'admin');
    await grant(BOB, 'counter', 'admin', 'other');
    const answer = await remove(ALICE);
    expect(answer.status).toBe(200);
    expect(await bodyOf(answer)).toMatchObject({
      agent: 'counter',
      instance: 'room',
      receipt: { pending: 0 },
    });
    const target = { kind: 'instance', agent: 'counter', instance: 'room' };
    expect(await office.lastCommand()).toMatchObject({ cmd: { op: 'destroy', target }, before: NOW * 1000 });
    const left = await office.ports.grants.list({ agent: 'counter', now: NOW * 1000 }, undefined, 10);
    expect(left.map(({ instanceId }) => instanceId)).toEqual(['other']);
    expect(office.stand.events).toContainEqual(
      expect.objectContaining({ type: 'agent.deleted', principal: idOf(ALICE) }),
    );
    expect((await remove(ALICE)).status).toBe(404);
  });

  it('while the worker is down answers 202, and the command waits', async () => {
    await grant(ALICE, 'counter', 'owner');
    office.worker.answer = async () => Promise.reject(new TypeError('down'));
    expect((await remove(ALICE)).status).toBe(202);
    expect(await office.commandsWaiting()).toBe(1);
  });

  it.each<[string, Person | undefined, string, number]>([
    ['an admin', BOB, 'counter/room', 404],
    ['an operator who owns nothing', ROOT, 'counter/room', 404],
    ['the owner of another instance', ALICE, 'counter/other', 404],
    ['anybody, of an agent that there is not', ALICE, 'nobody/room', 404],
    ['the owner, of a disabled agent', ALICE, 'retired/room', 404],
    ['anybody, of an agent that is no name', ALICE, 'No%20Body/room', 404],
    ['anybody, of an instance that is no name', ALICE, 'counter/a.b', 400],
    ['a stranger', undefined, 'counter/room', 401],
  ])('is refused to %s', async (_what, who, path, status) => {
    await grant(ALICE, 'counter', 'owner');
    await grant(ALICE, 'retired', 'owner');
    await grant(BOB, 'counter', 'admin');
    expect((await remove(who, path)).status).toBe(status);
    expect(office.worker.tokens).toEqual([]);
    expect(await office.commandsWaiting()).toBe(0);
  });
});
