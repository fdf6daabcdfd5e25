import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import { describe, expect, it } from 'vitest';
import { AGENTS } from '../../../agents.ts';
import { compose } from '../../src/runtime/compose.ts';
import { runScheduled } from '../../src/runtime/scheduled.ts';
import { idOf, type Person, startOperatorBroker } from './admin/operator-broker.ts';
import { bodyOf, ticketIn } from './answers.ts';
import { NOW } from './start-broker.ts';

const ALICE: Person = { sub: 'alice' };
const TRIAL: AgentEntry = {
  ...{ ...AGENTS[0], slug: 'trial', bindingKey: 'TRIAL', access: 'grant' },
  enforce: { role: 'admin', until: new Date((NOW + 86_400) * 1000).toISOString() },
};
const start = () => startOperatorBroker([TRIAL]);

describe('an agent in rollout', () => {
  it('gives a ticket of fifteen minutes that rests on the rollout, and the event says what would be refused', async () => {
    const broker = await start();
    const claims = await ticketIn(
      await broker.call(ALICE, 'POST', '/tickets', { agent: 'trial', instance: 'main' }),
    );
    expect(claims).toMatchObject({ role: 'admin', grant: 'rollout:trial', session_expiry: NOW + 900 });
    expect(broker.events.find(({ type }) => type === 'ticket.issued')?.details).toMatchObject({
      would_deny: 'agent_invisible',
    });
    const explained = await bodyOf(await broker.call(ALICE, 'POST', '/explain', { agent: 'trial' }));
    expect(explained).toMatchObject({ allowed: true, role: 'admin', would_deny: 'agent_invisible' });
    expect(await bodyOf(await broker.call(undefined, 'GET', '/readyz'))).toMatchObject({
      agents_in_rollout: 1,
    });
  });

  it('gives nobody a right over its grants', async () => {
    const broker = await start();
    const grant = {
      subject: idOf({ sub: 'bob' }),
      agent: 'trial',
      instance: 'main',
      role: 'viewer',
      reason: 'x',
    };
    expect((await broker.call(ALICE, 'POST', '/admin/grants', grant)).status).toBe(403);
  });

  it('that ends early revokes its tickets by the next minute, once, and no later ones', async () => {
    const broker = await start();
    const entries = broker.ports.registry;
    const enforcing = { ...broker.ports, registry: entries.map(({ enforce: _, ...entry }) => entry) };
    const minute = async (ports: typeof broker.ports) => {
      broker.clock.now += 60;
      await runScheduled(ports);
      return broker.events.filter(({ type }) => type === 'grant.deleted').length;
    };
    const revokedAt = async (rev: number) => broker.whyRevoked({ names: ['grant:rollout:trial'], rev });
    expect(await minute(enforcing)).toBe(0);
    expect(await minute(broker.ports)).toBe(0);
    expect(await revokedAt(0)).toBeUndefined();
    const claims = await ticketIn(
      await broker.call(ALICE, 'POST', '/tickets', { agent: 'trial', instance: 'main' }),
    );
    const rev = Number(claims.rev);
    expect([await minute(enforcing), await minute(enforcing)]).toEqual([1, 1]);
    expect(broker.events.find(({ type }) => type === 'grant.deleted')).toMatchObject({
      agent: 'trial',
      details: { grant: 'rollout:trial' },
    });
    expect(await revokedAt(rev)).toBe('rights_changed');
    // Begun again within the half hour for which a mark is fresh.
    expect([await minute(broker.ports), await minute(enforcing)]).toEqual([1, 2]);
    expect(await revokedAt(99)).toBeUndefined();
  });

  it('for more than thirty days refuses to start', async () => {
    const { ports, runtime } = await start();
    const late = {
      ...TRIAL,
      enforce: { role: 'viewer', until: new Date((NOW + 31 * 86_400) * 1000).toISOString() },
    } as const;
    expect(() => compose(ports.config, [late], runtime)).toThrow(
      /trial: enforce.until is more than 30 days ahead/,
    );
  });
});
