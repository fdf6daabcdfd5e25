import { beforeEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { PERMISSIONS } from '../../src/credentials/permissions.ts';
import { flushOutbox } from '../../src/revocation/outbox.ts';
import { runScheduled } from '../../src/runtime/scheduled.ts';
import {
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
} from './admin/operator-broker.ts';
import { bodyOf } from './answers.ts';
import { basic, NOW } from './start-broker.ts';

let broker: OperatorBroker;
const ALICE: Person = { sub: 'alice' };
const BOB: Person = { sub: 'bob' };
/** Holds every permission but the one to delete instances. */
const GRANTER: Person = {
  sub: 'granter',
  permissions: PERMISSIONS.filter((permission) => permission !== 'instances:delete'),
};

beforeEach(async () => {
  broker = await startOperatorBroker();
});

const grant = (who: Person, agent: string, role: string, instance = 'room') =>
  broker.call(ROOT, 'POST', '/admin/grants', { subject: idOf(who), agent, instance, role, reason: 'test' });
const List = z.object({ items: z.array(z.looseObject({ agent: z.string(), role: z.string() })) });
const roles = async (who: Parameters<OperatorBroker['call']>[0]) =>
  Object.fromEntries(
    List.parse(await (await broker.call(who, 'GET', '/api/agents')).json()).items.map(({ agent, role }) => [
      agent,
      role,
    ]),
  );

describe('GET /api/agents', () => {
  it.each<[string, Person | undefined, object]>([
    ['an anonymous caller sees what is public', undefined, { lobby: 'viewer' }],
    [
      'a user sees what is open, too',
      ALICE,
      {
        counter: 'viewer',
        lobby: 'viewer',
        diary: 'owner',
        letters: 'owner',
        chat: 'owner',
        integrations: 'owner',
      },
    ],
  ])('%s', async (_what, who, expected) => {
    expect(await roles(who)).toEqual(expected);
  });

  it('the best role on any instance is shown', async () => {
    await grant(ALICE, 'counter', 'viewer', 'a');
    await grant(ALICE, 'counter', 'admin', 'b');
    await grant(ALICE, 'hidden', 'viewer');
    await grant(ALICE, 'diary', 'viewer', 'bobs');
    await grant(ALICE, 'asleep', 'owner');
    expect(await roles(ALICE)).toEqual({
      counter: 'admin',
      lobby: 'viewer',
      diary: 'viewer',
      hidden: 'viewer',
      letters: 'owner',
      chat: 'owner',
      integrations: 'owner',
    });
  });

  it('what is locked is not shown, nor to whom is locked', async () => {
    await grant(ALICE, 'hidden', 'viewer');
    const lock = async (target: object) =>
      String((await bodyOf(await broker.call(ROOT, 'POST', '/admin/locks', { target, reason: 'test' }))).id);
    await lock({ kind: 'agent', agent: 'counter' });
    await lock({ kind: 'instance', agent: 'hidden', instance: 'room' });
    await lock({ kind: 'instance', agent: 'diary', instance: 'room' });
    expect(Object.keys(await roles(ALICE)).sort()).toEqual([
      'chat',
      'diary',
      'integrations',
      'letters',
      'lobby',
    ]);
    const id = await lock({ kind: 'principal', id: idOf(ALICE) });
    expect(await roles(ALICE)).toEqual({});
    await broker.call(ROOT, 'DELETE', `/admin/locks/${id}`);
    await lock({ kind: 'everything' });
    expect([await roles(ALICE), await roles(undefined)]).toEqual([{}, {}]);
  });

  it('shows an agent exactly where a ticket would be given', async () => {
    const people: (Person | undefined)[] = [undefined, ALICE, BOB, ROOT];
    await grant(ALICE, 'hidden', 'admin');
    await grant(BOB, 'mcp-agent', 'owner');
    for (const who of people) {
      const shown = await roles(who);
      for (const { slug, instances, transport } of broker.ports.registry) {
        const wish = { agent: slug, instance: instances?.[0] ?? 'room' };
        const how = transport === 'sse' ? { ...wish, transport: 'http' } : wish;
        const { status } = await broker.call(who, 'POST', '/tickets', how);
        expect([slug, who?.sub, status === 201]).toEqual([slug, who?.sub, shown[slug] !== undefined]);
        // The first caller here is the owner; the next must find the instance free.
        if (status === 201) await broker.call(who, 'DELETE', `/api/agents/${slug}/room`);
      }
    }
  });

  it('a service sees nothing that belongs to a first user, nor what its token leaves out', async () => {
    const seen = async (agents?: string[]) => {
      const token = await broker.makeServiceToken(agents === undefined ? {} : { agents });
      return roles({ authorization: basic(token.clientId, token.clientSecret).authorization ?? '' });
    };
    expect(Object.keys(await seen())).not.toContain('diary');
    expect(Object.keys(await seen(['lobby']))).toEqual(['lobby']);
  });
});

describe('DELETE /api/agents/:agent/:instance', () => {
  const remove = (who: Person | undefined, path = 'counter/room') =>
    broker.call(who, 'DELETE', `/api/agents/${path}`);

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
    const target = { agent: 'counter', instance: 'room' };
    expect(await broker.lastCommand()).toMatchObject({
      op: 'destroy',
      ...target,
      revocation: { target: 'instance:counter/room', kind: 'before', code: 'rights_changed' },
    });
    const { rows } = await broker.ports.control.grants.list(
      { agent: 'counter', now: NOW * 1000 },
      undefined,
      10,
    );
    expect(rows.map(({ instanceId }) => instanceId)).toEqual(['other']);
    expect(broker.events).toContainEqual(
      expect.objectContaining({ type: 'agent.deleted', principal: idOf(ALICE) }),
    );
    expect((await remove(ALICE)).status).toBe(403);
  });

  it.each(['counter/room', 'hidden/room'])(
    'an operator deletes %s, which has no owner or which nobody else may see',
    async (path) => {
      const answer = await remove(ROOT, path);
      expect(answer.status).toBe(200);
      const [agent, instance] = path.split('/');
      expect(await broker.lastCommand()).toMatchObject({ op: 'destroy', agent, instance });
      expect(broker.events).toContainEqual(
        expect.objectContaining({ type: 'agent.deleted', principal: idOf(ROOT) }),
      );
    },
  );

  it('keeps the instance closed until the object is gone: nobody gets what is in it', async () => {
    await broker.mint(ALICE, 'diary', 'secret');
    const up = broker.worker.answer;
    broker.worker.answer = async () => Promise.reject(new TypeError('down'));
    expect((await remove(ALICE, 'diary/secret')).status).toBe(202);
    expect([await broker.mint(BOB, 'diary', 'secret'), await broker.mint(ALICE, 'diary', 'secret')]).toEqual([
      403, 403,
    ]);
    expect((await remove(ALICE, 'diary/secret')).status).toBe(403);
    expect(await broker.ownersOf('diary', 'secret')).toHaveLength(1);

    broker.worker.answer = up;
    broker.clock.now += 60;
    await flushOutbox(broker.ports);
    expect(await broker.lastCommand()).toMatchObject({ op: 'destroy', instance: 'secret' });
    expect(await broker.changesWaiting()).toBe(0);
    expect([await broker.mint(BOB, 'diary', 'secret'), await broker.mint(ALICE, 'diary', 'secret')]).toEqual([
      201, 403,
    ]);
  });

  it('carried out twice it takes nothing from the owner who came after', async () => {
    await broker.mint(ALICE, 'diary', 'again');
    const [outbox, sent] = [broker.ports.control.outbox, vi.spyOn(broker.ports.control, 'finishDeletion')];
    await remove(ALICE, 'diary/again');
    const [id, command] = sent.mock.calls[0] ?? [];
    if (id === undefined || command === undefined) throw new Error('nothing was deleted');
    expect(await outbox.count()).toBe(0);
    broker.clock.now += 1;
    expect(await broker.mint(BOB, 'diary', 'again')).toBe(201);
    await broker.ports.control.finishDeletion(id, command, broker.clock.now * 1000);
    expect(await broker.mint(BOB, 'diary', 'again')).toBe(201);
    expect(await broker.mint(ALICE, 'diary', 'again')).toBe(403);
  });

  it('refuses tickets from before at workers, and none from after: the lock is no copy', async () => {
    await grant(ALICE, 'counter', 'owner');
    const rev = await broker.ports.control.revocations.newestRev();
    expect((await remove(ALICE)).status).toBe(200);
    const why = (ticketRev: number) =>
      broker.whyRevoked({ names: ['instance:counter/room'], rev: ticketRev });
    const newest = await broker.ports.control.revocations.newestRev();
    expect([await why(rev), await why(newest)]).toEqual(['rights_changed', undefined]);
  });

  it('while the worker is down answers 202, and the command waits', async () => {
    await grant(ALICE, 'counter', 'owner');
    broker.worker.answer = async () => Promise.reject(new TypeError('down'));
    expect((await remove(ALICE)).status).toBe(202);
    expect(await broker.changesWaiting()).toBe(1);
  });

  it('is carried out however long the worker was down, and no operator lifts its lock', async () => {
    await broker.mint(ALICE, 'diary', 'long');
    const up = broker.worker.answer;
    broker.worker.answer = async () => Promise.reject(new TypeError('down'));
    await remove(ALICE, 'diary/long');
    const listed = await bodyOf(await broker.call(ROOT, 'GET', '/admin/locks'));
    expect(listed).toMatchObject({ items: [] });

    broker.clock.now += 3 * 3600;
    const other = await broker.call(ROOT, 'POST', '/admin/locks', {
      target: { kind: 'agent', agent: 'counter' },
      reason: 'test',
    });
    expect(other.status).toBe(202);
    await runScheduled(broker.ports);
    broker.worker.answer = up;
    broker.clock.now += 3 * 3600;
    await runScheduled(broker.ports);
    expect((await broker.commandsSent()).map(({ op }) => op)).toContain('destroy');
    expect(await broker.changesWaiting()).toBe(0);
    expect(await broker.mint(BOB, 'diary', 'long')).toBe(201);
  });

  it.each<[string, Person | undefined, string, number]>([
    ['an admin', BOB, 'counter/room', 403],
    ['an operator without the permission', GRANTER, 'counter/room', 403],
    ['an operator without the permission, of an agent that it cannot see', GRANTER, 'hidden/room', 404],
    ['an operator, of an agent that there is not', ROOT, 'nobody/room', 404],
    ['an operator, of a disabled agent', ROOT, 'asleep/room', 404],
    ['the owner of another instance', ALICE, 'counter/other', 403],
    ['anybody, of an agent that they cannot see', ALICE, 'hidden/room', 404],
    ['anybody, of an agent that there is not', ALICE, 'nobody/room', 404],
    ['the owner, of a disabled agent', ALICE, 'asleep/room', 404],
    ['anybody, of an agent that is no name', ALICE, 'No%20Body/room', 400],
    ['anybody, of an instance that is no name', ALICE, 'counter/a.b', 400],
    ['an anonymous caller', undefined, 'counter/room', 401],
  ])('is refused to %s', async (_what, who, path, status) => {
    await grant(ALICE, 'counter', 'owner');
    await grant(ALICE, 'asleep', 'owner');
    await grant(BOB, 'counter', 'admin');
    expect((await remove(who, path)).status).toBe(status);
    expect(broker.worker.tokens).toEqual([]);
    expect(await broker.changesWaiting()).toBe(0);
  });
});
