import * as z from 'zod';
import type { Action } from './actions.ts';
import type { Clients } from './clients.ts';
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

/** The changes that the operator makes, and what the notebook keeps of them. */
export function createOperators(world: World, notebook: Notebook, { ask, pickOf }: Clients) {
  const { operator } = PEOPLE;

  function note(target: string, kind: Taken['kind'], askedAt: number, id?: string): void {
    notebook.taken.push({ target, kind, askedAt, doneAt: world.time(), ...(id === undefined ? {} : { id }) });
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
    async lock(action: Extract<Action, { kind: 'lock' }>): Promise<void> {
      const target = targetOf(action);
      if (target === undefined) return;
      const askedAt = world.time();
      const answer = await ask(operator, 'POST', '/admin/locks', { target, reason: 'simulated' });
      if (answer?.status !== 201 && answer?.status !== 202) return;
      note(nameOf(target), 'lock', askedAt, WithId.parse(answer.body).id);
    },

    async unlock(pick: number): Promise<void> {
      const lock = pickOf(
        notebook.taken.filter(({ id, liftAskedAt }) => id !== undefined && liftAskedAt === undefined),
        pick,
      );
      if (lock === undefined) return;
      lock.liftAskedAt = world.time();
      await ask(operator, 'DELETE', `/admin/locks/${lock.id}`);
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
      const askedAt = world.time();
      const answer = await ask(operator, 'DELETE', `/admin/grants/${grant.id}`);
      if (answer?.status !== 200 && answer?.status !== 202) return;
      note(`grant:${grant.id}`, 'lock', askedAt);
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
      const askedAt = world.time();
      const answer = await ask(operator, 'POST', `/admin/keys/${active.kid}/revoke`);
      if (answer?.status === 200 || answer?.status === 202) note(`key:${active.kid}`, 'lock', askedAt);
    },

    async terminate(who: keyof typeof PEOPLE): Promise<void> {
      const target = targetOfPerson(PEOPLE[who]);
      if (target === undefined) return;
      const askedAt = world.time();
      const selector = target.kind === 'principal' ? { principal: target.id } : { service_token: target.id };
      const answer = await ask(operator, 'POST', '/admin/agents/sessions/terminate', selector);
      if (answer?.status === 200 || answer?.status === 202)
        note(`${target.kind}:${target.id}`, 'before', askedAt);
    },

    async destroy(agent: string, instance: string): Promise<void> {
      const askedAt = world.time();
      const answer = await ask(operator, 'DELETE', `/api/agents/${agent}/${instance}`);
      if (answer?.status === 200 || answer?.status === 202)
        note(`instance:${agent}/${instance}`, 'before', askedAt);
    },

    /** Accepts what a restore of the record database has lost of the audit log. */
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
