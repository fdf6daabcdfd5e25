import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { bodyOf } from '../answers.ts';
import { idOf, type OperatorBroker, type Person, ROOT, startOperatorBroker } from './operator-broker.ts';

/** Nobody gives a role above the own, nor takes one away that is. */

let broker: OperatorBroker;
beforeEach(async () => {
  broker = await startOperatorBroker();
});

const CLERK: Person = { sub: 'clerk', permissions: ['grants:read', 'grants:write'] };
const OWNER: Person = { sub: 'owner' };
const BOB: Person = { sub: 'bob' };
const grant = (who: Person, agent: string, role: string, more: object = {}) =>
  broker.call(who, 'POST', '/admin/grants', {
    subject: idOf(BOB),
    agent,
    instance: 'room',
    role,
    reason: 'test',
    ...more,
  });
const idIn = async (answer: Response) => z.string().parse((await bodyOf(answer)).id);
const remove = async (who: Person, id: string) =>
  (await broker.call(who, 'DELETE', `/admin/grants/${id}`)).status;

describe('a holder of grants:write below the tier admin', () => {
  it.each<[string, string, string, string | undefined, number]>([
    ['gives what the access mode makes it', 'counter', 'viewer', undefined, 201],
    ['gives no role above that', 'counter', 'admin', undefined, 403],
    ['gives its own role', 'counter', 'admin', 'admin', 201],
    ['gives no role above the own', 'counter', 'owner', 'admin', 403],
    ['gives every role as owner', 'counter', 'owner', 'owner', 201],
    ['gives nothing on an agent that only grants open', 'hidden', 'viewer', undefined, 403],
    ['gives its role there, once it has one', 'hidden', 'viewer', 'viewer', 201],
    ['gives nothing on an agent of a higher tier', 'mcp-agent', 'viewer', 'owner', 403],
    ['gives nothing on an agent that there is not', 'nobody', 'viewer', 'owner', 403],
    ['gives nothing on a disabled agent', 'asleep', 'viewer', 'owner', 403],
  ])('%s', async (_what, agent, role, own, status) => {
    if (own !== undefined) await grant(ROOT, agent, own, { subject: idOf(CLERK) });
    expect((await grant(CLERK, agent, role)).status).toBe(status);
  });

  it('learns from a refusal neither whether there is an agent nor why', async () => {
    const faces = await Promise.all(
      ['hidden', 'mcp-agent', 'nobody', 'asleep'].map(async (agent) => {
        const error = z.looseObject({}).parse((await bodyOf(await grant(CLERK, agent, 'viewer'))).error);
        return JSON.stringify([error.code, error.message]);
      }),
    );
    expect(new Set(faces).size).toBe(1);
  });

  it('gives a role on every instance only where it has it on every instance', async () => {
    await grant(ROOT, 'counter', 'admin', { subject: idOf(CLERK) });
    expect((await grant(CLERK, 'counter', 'admin', { instance: '*' })).status).toBe(403);
    await grant(ROOT, 'counter', 'admin', { subject: idOf(CLERK), instance: '*' });
    expect((await grant(CLERK, 'counter', 'admin', { instance: '*' })).status).toBe(201);
  });

  it('gives itself nothing more', async () => {
    await grant(ROOT, 'counter', 'admin', { subject: idOf(CLERK) });
    expect((await grant(CLERK, 'counter', 'owner', { subject: idOf(CLERK) })).status).toBe(403);
  });

  it('ends no grant of a role above the own', async () => {
    const [owner, viewer] = await Promise.all([
      grant(ROOT, 'counter', 'owner').then(idIn),
      grant(ROOT, 'counter', 'viewer').then(idIn),
    ]);
    expect([await remove(CLERK, owner), await remove(CLERK, viewer)]).toEqual([403, 200]);
    expect(await remove(ROOT, owner)).toBe(200);
  });
});

describe('an owner', () => {
  const own = (more: object = {}) => grant(ROOT, 'counter', 'owner', { subject: idOf(OWNER), ...more });

  it('gives nothing that lasts longer than the own grant', async () => {
    await own({ expires_in: 600 });
    const end = new Date((broker.clock.now + 600) * 1000).toISOString();
    for (const [sub, more] of [
      ['one', {}],
      ['two', { expires_in: 3600 }],
    ] as const) {
      const given = await grant(OWNER, 'counter', 'owner', { subject: idOf({ sub }), ...more });
      expect(await bodyOf(given)).toMatchObject({ expires_at: end });
    }
    const sooner = new Date((broker.clock.now + 60) * 1000).toISOString();
    const short = await grant(OWNER, 'counter', 'viewer', { expires_in: 60 });
    expect(await bodyOf(short)).toMatchObject({ expires_at: sooner });
  });

  it('changes no grant while a lock is in force on the instance, and still reads them', async () => {
    await own();
    const id = await idIn(await grant(OWNER, 'counter', 'viewer'));
    const target = { kind: 'instance', agent: 'counter', instance: 'room' };
    await broker.call(ROOT, 'POST', '/admin/locks', { target, reason: 'incident' });
    expect((await grant(OWNER, 'counter', 'viewer')).status).toBe(403);
    expect(await remove(OWNER, id)).toBe(403);
    const list = '/admin/grants?agent=counter&instance=room';
    expect((await broker.call(OWNER, 'GET', list)).status).toBe(200);
  });
});
