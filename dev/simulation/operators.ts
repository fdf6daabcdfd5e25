import * as z from 'zod';
import type { Action } from './actions.ts';
import type { Answer, Clients } from './clients.ts';
import type { Notebook, Taken } from './notebook.ts';
import { PEOPLE, type Person } from './people.ts';
import type { World } from './world.ts';

const WithId = z.object({ id: z.string() });
const Keys = z.object({ items: z.array(z.object({ kid: z.string(), state: z.string() })) });
const SealOf = z.object({ n: z.int(), hash: z.string() });
const Seals = z.object({ state: z.string(), noted: SealOf.nullable(), found: SealOf });
const Grants = z.object({ items: z.array(z.object({ id: z.string(), subject: z.string() })) });

type LockedTarget =
  | { readonly kind: 'principal' | 'service-token'; readonly id: string }
  | { readonly kind: 'agent'; readonly agent: string }
  | { readonly kind: 'instance'; readonly agent: string; readonly instance: string }
  | { readonly kind: 'everything' };

/** The changes that the operator makes. They are recorded in the notebook. */
export function createOperators(world: World, notebook: Notebook, { ask, pickOf }: Clients) {
  const { operator } = PEOPLE;

  /** Makes a change that takes rights away. */
  async function take(
    target: string,
    kind: Taken['kind'],
    change: () => Promise<Answer | undefined>,
  ): Promise<Taken | undefined> {
    const taken: Taken = { target, kind, askedAt: world.time() };
    notebook.taken.push(taken);
    const answer = await change();
    if (answer === undefined || answer.status >= 300) return undefined;
    taken.doneAt = world.time();
    const { id } = WithId.safeParse(answer.body).data ?? {};
    if (id !== undefined) taken.id = id;
    return taken;
  }

  /** Whether the broker answered that the lock is lifted: with 202 the copies of the lock last until a later delivery. */
  async function lift(lock: Taken): Promise<boolean> {
    lock.liftAskedAt = world.time();
    const answer = await ask(operator, 'DELETE', `/admin/locks/${lock.id}`);
    if (answer === undefined || answer.status >= 300) return false;
    if (answer.status !== 202) lock.liftedAt = world.time();
    return true;
  }

  const nameOf = (target: LockedTarget): string =>
    target.kind === 'everything'
      ? 'everything:'
      : target.kind === 'instance'
        ? `instance:${target.agent}/${target.instance}`
        : target.kind === 'agent'
          ? `agent:${target.agent}`
          : `${target.kind}:${target.id}`;

  const targetOfPerson = ({ principal }: Person) =>
    principal === undefined
      ? undefined
      : principal.startsWith('token:')
        ? { kind: 'service-token' as const, id: principal.slice('token:'.length) }
        : { kind: 'principal' as const, id: principal };

  function targetOf(action: Extract<Action, { kind: 'lock' }>): LockedTarget | undefined {
    const { what, who, agent, instance } = action;
    if (what === 'principal') return targetOfPerson(PEOPLE[who]);
    if (what === 'agent') return { kind: 'agent', agent };
    return what === 'instance' ? { kind: 'instance', agent, instance } : { kind: 'everything' };
  }

  return {
    /** Resolves to whether the lock was lifted again. */
    async lock(action: Extract<Action, { kind: 'lock' }>): Promise<boolean> {
      const target = targetOf(action);
      if (target === undefined) return false;
      const body = { target, reason: 'simulated' };
      const lock = await take(nameOf(target), 'lock', () => ask(operator, 'POST', '/admin/locks', body));
      if (lock === undefined || action.liftAfterMs === undefined) return false;
      await new Promise((resolve) => setTimeout(resolve, action.liftAfterMs));
      return lift(lock);
    },

    async unlock(pick: number): Promise<void> {
      const locks = notebook.taken.filter(
        ({ id, target, liftAskedAt }) =>
          id !== undefined && liftAskedAt === undefined && !/^(grant|key):/.test(target),
      );
      const lock = pickOf(locks, pick);
      if (lock !== undefined) await lift(lock);
    },

    async grant({ who, instance, role }: Extract<Action, { kind: 'grant' }>): Promise<void> {
      const { principal } = PEOPLE[who];
      if (principal === undefined) return;
      const askedAt = world.time();
      const body = { subject: principal, agent: 'vault', instance, role, reason: 'simulated' };
      notebook.maybeGranted.push({ principal, instance, askedAt });
      const answer = await ask(operator, 'POST', '/admin/grants', body);
      if (answer?.status === 201)
        notebook.grants.push({ id: WithId.parse(answer.body).id, principal, instance, role, askedAt });
    },

    async ungrant(pick: number): Promise<void> {
      const listed = await ask(operator, 'GET', '/admin/grants?agent=vault');
      const grant = pickOf(listed?.status === 200 ? Grants.parse(listed.body).items : [], pick);
      if (grant === undefined) return;
      await take(`grant:${grant.id}`, 'lock', () => ask(operator, 'DELETE', `/admin/grants/${grant.id}`));
    },

    async rotate(activate: 'scheduled' | 'now', times: number): Promise<void> {
      await Promise.all(
        Array.from({ length: times }, () => ask(operator, 'POST', '/admin/keys/rotate', { activate })),
      );
    },

    async revokeKey(): Promise<void> {
      const listed = await ask(operator, 'GET', '/admin/keys');
      if (listed?.status !== 200) return;
      const active = Keys.parse(listed.body).items.find(({ state }) => state === 'active');
      if (active === undefined) return;
      const { kid } = active;
      await take(`key:${kid}`, 'lock', () => ask(operator, 'POST', `/admin/keys/${kid}/revoke`));
    },

    async terminate(who: keyof typeof PEOPLE): Promise<void> {
      const target = targetOfPerson(PEOPLE[who]);
      if (target === undefined) return;
      const selector = target.kind === 'principal' ? { principal: target.id } : { service_token: target.id };
      await take(`${target.kind}:${target.id}`, 'before', () =>
        ask(operator, 'POST', '/admin/agents/sessions/terminate', selector),
      );
    },

    async destroy(agent: string, instance: string): Promise<void> {
      await take(`instance:${agent}/${instance}`, 'before', () =>
        ask(operator, 'DELETE', `/api/agents/${agent}/${instance}`),
      );
    },

    /** Accepts the loss of audit events after a restore of the record database. */
    async acceptRestore(): Promise<void> {
      const shown = await ask(operator, 'GET', '/admin/agents/audit/seal');
      if (shown?.status !== 200) return;
      const { state, noted, found } = Seals.parse(shown.body);
      if (state === 'agrees' || noted === null) return;
      const seals = { noted: { n: noted.n, hash: noted.hash }, found: { n: found.n, hash: found.hash } };
      await ask(operator, 'POST', '/admin/agents/audit/seal/accept', { ...seals, reason: 'simulated' });
    },
  };
}
