import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import { describe, expect, it } from 'vitest';
import { AGENTS } from '../../agents.ts';
import { startBroker } from './broker.ts';
import { COUNTER, expectRefusal, mint, newInstance, type Reply, refusalOf, ticketOf } from './call.ts';
import { NOW } from './clock.ts';
import { grant, liftLock, lock, makeToken } from './tokens.ts';

describe('an agent that there is not', () => {
  const hidden: AgentEntry = { ...AGENTS[0], slug: 'hidden', bindingKey: 'HIDDEN', access: 'grant' };
  const asleep: AgentEntry = { ...AGENTS[0], slug: 'asleep', bindingKey: 'ASLEEP', enabled: false };
  const off: AgentEntry = { ...asleep, slug: 'off', bindingKey: 'OFF', requiredTier: 'admin' };
  const { front } = startBroker({ ports: { registry: [...AGENTS, hidden, asleep, off] } });
  const KINDS = {
    unknown: { agent: 'nobody', instance: 'default' },
    disabled: { agent: 'asleep', instance: 'default' },
    'disabled and of a high tier': { agent: 'off', instance: 'default' },
    'invisible for want of a grant': { agent: 'hidden', instance: 'default' },
    'an unlisted instance': { agent: 'lobby', instance: 'elsewhere' },
  };

  it.each(Object.entries(KINDS))('(%s) is the same 404 as any other', async (_kind, request) => {
    const token = await makeToken({ tier: 'free' });
    const [reply, other] = [
      await mint(token.pair, request, { front }),
      await mint(token.pair, KINDS.unknown, { front }),
    ];
    expectRefusal(reply, '404 NOT_FOUND');
    expect(refusalOf(reply)).toEqual(refusalOf(other));
    expect(headerNames(reply)).toEqual(headerNames(other));
  });

  it('(outside those of the token) is the same 404 as an unknown one', async () => {
    const token = await makeToken({ agents: ['lobby'] });
    const [outside, unknown] = [await mint(token.pair, COUNTER), await mint(token.pair, KINDS.unknown)];
    expectRefusal(outside, '404 NOT_FOUND');
    expect(refusalOf(outside)).toEqual(refusalOf(unknown));
  });

  it('stays away from an anonymous caller like one that there is', async () => {
    const replies = await Promise.all(
      [COUNTER, KINDS.unknown, KINDS.disabled, KINDS['invisible for want of a grant']].map((request) =>
        mint(undefined, request, { front }),
      ),
    );
    expect(new Set(replies.map((reply) => JSON.stringify(refusalOf(reply)))).size).toBe(1);
    expect(replies.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
  });

  it('is there for who was granted it', async () => {
    const token = await makeToken();
    await grant(token.principal, { agent: 'hidden', role: 'viewer' });
    ticketOf(await mint(token.pair, KINDS['invisible for want of a grant'], { front }));
  });
});

const headerNames = ({ headers }: Reply): string[] => [...headers].map(([name]) => name);

describe('an agent that there is', () => {
  const registry: AgentEntry[] = [
    ...AGENTS,
    { ...AGENTS[0], slug: 'for-pros', bindingKey: 'FOR_PROS', requiredTier: 'pro' },
    { ...AGENTS[0], slug: 'for-machines', bindingKey: 'FOR_MACHINES', requiredScopes: ['keys:read'] },
  ];
  const { front } = startBroker({ ports: { registry } });

  it.each([
    ['free', 'for-pros', 403],
    ['pro', 'for-pros', 201],
    ['admin', 'for-pros', 201],
  ] as const)('for the tier %s: %s answers %i', async (tier, agent, status) => {
    const token = await makeToken({ tier });
    const reply = await mint(token.pair, { agent, instance: 'default' }, { front });
    expect(reply.status).toBe(status);
  });

  it.each([
    [[], 403],
    [['keys:rotate'], 403],
    [['keys:read'], 201],
  ])('for services that hold a permission, here %j: answers %i', async (permissions, status) => {
    const token = await makeToken({ permissions });
    const reply = await mint(token.pair, { agent: 'for-machines', instance: 'default' }, { front });
    expect(reply.status).toBe(status);
  });

  it.each([
    ['everything', () => 'everything:'],
    ['the agent', () => 'agent:counter'],
    ['the instance', (_: string, instance: string) => `instance:counter/${instance}`],
    ['the service token, which is the principal', (id: string) => `service-token:${id}`],
  ])('is refused while a lock is in force on %s, and opened when it is lifted', async (_what, target) => {
    const token = await makeToken();
    const request = { agent: 'counter', instance: newInstance() };
    const id = await lock(target(token.id, request.instance));
    expectRefusal(await mint(token.pair, request), '403 FORBIDDEN');
    await liftLock(id);
    ticketOf(await mint(token.pair, request));
  });

  it('is refused until the lock ends', async () => {
    const token = await makeToken();
    const ended = await lock(`service-token:${token.id}`, NOW * 1000);
    ticketOf(await mint(token.pair));
    const inForce = await lock(`service-token:${token.id}`, NOW * 1000 + 1);
    expectRefusal(await mint(token.pair), '403 FORBIDDEN');
    await Promise.all([ended, inForce].map(liftLock));
  });

  it('is not refused by a lock on another', async () => {
    const [token, other] = [await makeToken(), await makeToken()];
    const ids = await Promise.all(
      ['agent:lobby', 'instance:counter/other', `service-token:${other.id}`, `instance:lobby/default`].map(
        (target) => lock(target),
      ),
    );
    ticketOf(await mint(token.pair));
    await Promise.all(ids.map(liftLock));
  });
});
