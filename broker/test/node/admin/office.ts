import { openRecord } from '@agent-ticket/drizzle/open-libsql.ts';
import { type InvocationFact, insertInvocation } from '@agent-ticket/drizzle/record/invocation-facts.ts';
import { invocationQueries } from '@agent-ticket/drizzle/record/invocations.ts';
import { recordLockQueries, selectLocks } from '@agent-ticket/drizzle/record/locks.ts';
import { type Recallable, recallQueries, selectRecalls } from '@agent-ticket/drizzle/record/recalls.ts';
import { type SessionFact, upsertSession } from '@agent-ticket/drizzle/record/session-facts.ts';
import { sessionQueries } from '@agent-ticket/drizzle/record/sessions.ts';
import { AGENTS } from '@agent-ticket/shared/agents.ts';
import { type ControlClaims, type Receipt, verifyControl } from '@agent-ticket/shared/control.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import { createApp } from '../../../src/app.ts';
import { PERMISSIONS } from '../../../src/credentials/permissions.ts';
import type { BrokerPorts } from '../../../src/runtime/ports.ts';
import { atEnd, makeFolder } from '../folder.ts';
import { testIssuer } from '../issuer.ts';
import { BROKER, NOW, type StartedBroker, startNodeBroker } from '../start-broker.ts';

export const TENANT = 'https://tenant.test/';
const OTHER = 'https://other.test/';
const AUDIENCE = 'https://broker.test/api';

/** An agent that belongs to its first user, one that only a grant opens, and one that is disabled. */
export const DIARY: AgentEntry = { ...AGENTS[0], slug: 'diary', bindingKey: 'DIARY', access: 'first-user' };
/** One of first users without sockets. */
const LETTERS: AgentEntry = { ...DIARY, slug: 'letters', bindingKey: 'LETTERS', transport: 'sse' };
export const HIDDEN: AgentEntry = { ...AGENTS[0], slug: 'hidden', bindingKey: 'HIDDEN', access: 'grant' };
export const ASLEEP: AgentEntry = { ...AGENTS[0], slug: 'asleep', bindingKey: 'ASLEEP', enabled: false };

export const CLEAN: Receipt = { closed: 2, objects: 1, unreachable: 0, pending: 0, ms: 3 };

/** Claims of a person's token. `permissions` and `teams` are worth what they say; only `tenant` is trusted for addresses. */
export interface Person {
  readonly sub: string;
  readonly at?: 'tenant' | 'other';
  readonly permissions?: readonly string[];
  readonly teams?: readonly string[];
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly act?: { readonly sub: string };
}

export const idOf = ({ sub, at = 'tenant' }: Person): string => `auth0:${at}.test:${sub}`;
export const ROOT: Person = { sub: 'root', permissions: [...PERMISSIONS, 'tier:admin'] };

export interface Office {
  readonly stand: StartedBroker;
  readonly ports: BrokerPorts;
  /** The agent worker; its answer may be replaced. */
  readonly worker: { answer: () => Promise<Response>; readonly tokens: string[] };
  /** A call in somebody's name; by headers where it is no person's. */
  call(
    who: Person | Record<'authorization', string> | undefined,
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: object,
  ): Promise<Response>;
  /** The status of a request for a ticket. */
  mint(who: Person, agent: string, instance?: string): Promise<number>;
  /** What the last command said, once it verified as the worker would. */
  lastCommand(): Promise<ControlClaims>;
  commandsWaiting(): Promise<number>;
  /** Targets that agent workers find locked now, with their ends. */
  lockedAtWorkers(targets: readonly string[]): Promise<{ target: string; until: number | null }[]>;
  /** Whether agent workers would find a ticket recalled. */
  isRecalled(ticket: Recallable): Promise<boolean>;
  openSession(fact: Partial<SessionFact>): Promise<string>;
  /** Writes a call within a session. */
  invoke(sessionId: string, fact: Pick<InvocationFact, 'method' | 'startedAt'>): Promise<void>;
}

/** A broker with two tenants, a worker that can be taken down, and a record database that a test can write. */
export async function openOffice(): Promise<Office> {
  const [tenant, other] = [await testIssuer(TENANT), await testIssuer(OTHER)];
  const rules = [
    ...PERMISSIONS.map((name) => ({ claim: 'permissions', equals: name, permissions: [name] })),
    { claim: 'permissions', equals: 'tier:admin', tier: 'admin' },
    ...['staff', 'guests'].map((name) => ({ claim: 'teams', equals: name, groups: [name] })),
  ];
  const stand = await startNodeBroker(
    {
      AUTH0_DOMAIN: 'tenant.test,other.test',
      AUTH0_AUDIENCE: `tenant.test|${AUDIENCE},other.test|${AUDIENCE}`,
      TRUST_EMAIL: TENANT,
      CLAIM_RULES: JSON.stringify(
        [TENANT, OTHER].flatMap((issuer) => rules.map((rule) => ({ issuer, ...rule }))),
      ),
    },
    {
      'https://tenant.test/.well-known/jwks.json': tenant.keySet,
      'https://other.test/.well-known/jwks.json': other.keySet,
    },
  );
  const record = await openRecord(`file:${await makeFolder()}/record.db`);
  atEnd(() => record.close());
  const worker: Office['worker'] = { answer: async () => Response.json(CLEAN), tokens: [] };
  const ports: BrokerPorts = {
    ...stand.ports,
    registry: [...AGENTS, DIARY, HIDDEN, LETTERS, ASLEEP],
    sessions: sessionQueries(record.db),
    invocations: invocationQueries(record.db),
    termination: {
      ...stand.ports.termination,
      recordLocks: recordLockQueries(record.db),
      recalls: recallQueries(record.db),
      sendControl: async (token) => {
        worker.tokens.push(token);
        return worker.answer();
      },
    },
  };
  const app = createApp(ports);

  const credential = async (who: Parameters<Office['call']>[0]): Promise<Record<string, string>> => {
    if (who === undefined) return {};
    if ('authorization' in who) return who;
    const { at = 'tenant', ...claims } = who;
    const signer = at === 'tenant' ? tenant : other;
    const times = { aud: AUDIENCE, iat: NOW - 60, exp: NOW + 12 * 3600 };
    return { authorization: `Bearer ${await signer.sign({ ...times, ...claims })}` };
  };
  const call: Office['call'] = async (who, method, path, body) =>
    app.request(`${BROKER}${path}`, {
      method,
      headers: { ...(await credential(who)), 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

  return {
    stand,
    ports,
    worker,
    call,
    mint: async (who, agent, instance) =>
      (await call(who, 'POST', '/tickets', { agent, ...(instance === undefined ? {} : { instance }) }))
        .status,
    async lastCommand() {
      const verified = await verifyControl(worker.tokens.at(-1) ?? '', {
        issuer: BROKER,
        ticketAudience: 'agents.test',
        nowSeconds: stand.clock.now,
        findKey: findKeyOf(ports),
      });
      if (!verified.ok) throw new Error(`the command does not verify: ${verified.denial.detail}`);
      return verified.value;
    },
    commandsWaiting: () => ports.termination.outbox.count(),
    lockedAtWorkers: (targets) => selectLocks(record.db, targets, stand.clock.now * 1000),
    isRecalled: async (ticket) => (await selectRecalls(record.db, ticket)).length > 0,
    async invoke(sessionId, fact) {
      await insertInvocation(record.db, {
        id: crypto.randomUUID(),
        sessionId,
        durationMs: 1,
        outcome: 'success',
        code: null,
        ...fact,
      });
    },
    async openSession(fact) {
      const id = crypto.randomUUID();
      await upsertSession(record.db, {
        id,
        principal: idOf({ sub: 'alice' }),
        agent: 'counter',
        instance: 'main',
        role: 'viewer',
        scope: 'agent:connect',
        startedAt: stand.clock.now * 1000,
        endedAt: null,
        endReason: null,
        ipAddress: null,
        userAgent: null,
        jti: crypto.randomUUID(),
        kid: 'k'.repeat(43),
        issuedAt: stand.clock.now * 1000,
        ...fact,
      });
      return id;
    },
  };
}

/** The keys that this broker publishes for tickets, as a verifier holds them. */
export const findKeyOf = (ports: Pick<BrokerPorts, 'keyring' | 'clock'>) => async (kid: string) => {
  const found = (await ports.keyring.current(ports.clock())).find(({ material }) => material.kid === kid);
  return found === undefined
    ? err('ticket_key_unknown')
    : ok({ alg: found.material.alg, key: found.material.publicKey });
};
