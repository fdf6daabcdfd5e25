import { beforeEach, describe, expect, it } from 'vitest';
import { CLAIM_LAPSES_MS } from '../../src/mint/policy.ts';
import {
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
} from './admin/operator-broker.ts';
import { basic } from './start-broker.ts';

/** Who owns an instance is decided by the same question as at a mint, wherever an owner may do something. */

const ALICE: Person = { sub: 'alice' };
const BOB: Person = { sub: 'bob' };
let broker: OperatorBroker;
beforeEach(async () => {
  broker = await startOperatorBroker();
});

type Who = Parameters<OperatorBroker['call']>[0];
const grant = (subject: string, agent: string, role = 'owner') =>
  broker.call(ROOT, 'POST', '/admin/grants', { subject, agent, instance: 'mine', role, reason: 'test' });
const give = async (who: Who, agent: string) =>
  (
    await broker.call(who, 'POST', '/admin/grants', {
      subject: idOf(BOB),
      agent,
      instance: 'mine',
      role: 'viewer',
      reason: 'test',
    })
  ).status;
const list = async (who: Who, agent: string) =>
  (await broker.call(who, 'GET', `/admin/grants?agent=${agent}&instance=mine`)).status;
const destroy = async (who: Who, agent: string) =>
  (await broker.call(who, 'DELETE', `/api/agents/${agent}/mine`)).status;
const lapseCommands = async () => (await broker.commandsSent()).filter(({ op }) => op === 'lapse').length;

describe('a first user whose claim is old', () => {
  beforeEach(async () => {
    expect(await broker.mint(ALICE, 'diary', 'mine')).toBe(201);
    broker.clock.now += CLAIM_LAPSES_MS / 1000 + 1;
  });

  it.each([
    ['delete the instance', destroy, 403, 200],
    ['give grants on it', give, 403, 201],
    ['list its grants', list, 403, 200],
  ] as const)('may %s only if the claim was ever used', async (_what, act, unused, used) => {
    expect(await act(ALICE, 'diary')).toBe(unused);
    expect(await broker.mint(BOB, 'diary', 'mine')).toBe(201);
    broker.worker.used.add('diary/mine');
    broker.clock.now += CLAIM_LAPSES_MS / 1000 + 1;
    expect(await act(BOB, 'diary')).toBe(used);
  });

  it('is told to come back while the object does not answer', async () => {
    broker.worker.answer = async () => new Response(null, { status: 503 });
    expect(await destroy(ALICE, 'diary')).toBe(503);
    expect(await give(ALICE, 'diary')).toBe(503);
  });

  it('is not asked about by anybody else', async () => {
    expect([await destroy(BOB, 'diary'), await give(BOB, 'diary')]).toEqual([403, 403]);
    expect(await lapseCommands()).toBe(0);
  });
});

describe('an owner by a grant', () => {
  it('is none on an agent that is disabled', async () => {
    await grant(idOf(ALICE), 'asleep');
    expect([await destroy(ALICE, 'asleep'), await give(ALICE, 'asleep')]).toEqual([404, 403]);
  });

  it('is none on an agent above the own tier', async () => {
    const registry = broker.ports.registry.map((entry) =>
      entry.slug === 'hidden' ? { ...entry, requiredTier: 'pro' as const } : entry,
    );
    Object.assign(broker.ports, { registry });
    await grant(idOf(ALICE), 'hidden');
    expect([await destroy(ALICE, 'hidden'), await give(ALICE, 'hidden')]).toEqual([403, 403]);
  });

  it('is none as a service without the permissions that the agent requires', async () => {
    const registry = broker.ports.registry.map((entry) =>
      entry.slug === 'hidden' ? { ...entry, requiredScopes: ['agents'] } : entry,
    );
    Object.assign(broker.ports, { registry });
    const token = await broker.makeServiceToken({});
    await grant(`token:${token.id}`, 'hidden');
    const who = { authorization: basic(token.clientId, token.clientSecret).authorization ?? '' };
    expect([await destroy(who, 'hidden'), await give(who, 'hidden')]).toEqual([403, 403]);
  });

  it('is one as long as the grant lasts, and no longer', async () => {
    const answer = await broker.call(ROOT, 'POST', '/admin/grants', {
      subject: idOf(ALICE),
      agent: 'hidden',
      instance: 'mine',
      role: 'owner',
      reason: 'test',
      expires_in: 60,
    });
    expect(answer.status).toBe(201);
    broker.clock.now += 50;
    expect(await give(ALICE, 'hidden')).toBe(201);
    broker.clock.now += 9;
    expect([await destroy(ALICE, 'hidden'), await give(ALICE, 'hidden')]).toEqual([404, 403]);
  });
});
