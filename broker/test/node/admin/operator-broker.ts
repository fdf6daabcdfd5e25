import type { GrantRow } from '@agent-ticket/drizzle/control/policy.ts';
import type { InvocationFact } from '@agent-ticket/drizzle/record/invocations.ts';
import type { SessionFact } from '@agent-ticket/drizzle/record/sessions.ts';
import { type ControlCommand, type Receipt, verifyControl } from '@agent-ticket/shared/control.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import { type Revocable, type RevocationCode, strongestHit } from '@agent-ticket/shared/revocation.ts';
import { AGENTS } from '../../../../agents.ts';
import { PERMISSIONS } from '../../../src/credentials/permissions.ts';
import { CLAIM_LAPSES_MS } from '../../../src/mint/policy.ts';
import { mintShardInProcess } from '../../../src/mint/shard-node.ts';
import { flushOutbox } from '../../../src/revocation/outbox.ts';
import type { BrokerPorts } from '../../../src/runtime/ports.ts';
import { checkedApp } from '../../openapi.ts';
import { testIssuer } from '../issuer.ts';
import { BROKER, NOW, type StartedBroker, startNodeBroker } from '../start-broker.ts';

export const TENANT = 'https://tenant.test/';
const OTHER = 'https://other.test/';
const AUDIENCE = 'https://broker.test/api';

/** An agent that belongs to its first user, one that only a grant opens, and one that is disabled. */
const DIARY: AgentEntry = { ...AGENTS[0], slug: 'diary', bindingKey: 'DIARY', access: 'first-user' };
/** One of first users without sockets. */
const LETTERS: AgentEntry = { ...DIARY, slug: 'letters', bindingKey: 'LETTERS', transport: 'sse' };
const HIDDEN: AgentEntry = { ...AGENTS[0], slug: 'hidden', bindingKey: 'HIDDEN', access: 'grant' };
const ASLEEP: AgentEntry = { ...AGENTS[0], slug: 'asleep', bindingKey: 'ASLEEP', enabled: false };

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
  /** Of the token, in seconds since 1970; left out: a minute before the start of the broker. */
  readonly iat?: number;
  /** Of the token, in seconds since 1970; left out: 12 hours after the start of the broker. */
  readonly exp?: number;
}

export const idOf = ({ sub, at = 'tenant' }: Person): string => `auth0:${at}.test:${sub}`;
export const ROOT: Person = { sub: 'root', permissions: [...PERMISSIONS, 'tier:admin'] };

export interface OperatorBroker extends StartedBroker {
  /** The agent worker; its answer may be replaced. */
  readonly worker: {
    answer: (command: ControlCommand) => Promise<Response>;
    /** Instances, `<agent>/<instance>`, whose claim was used by somebody. */
    readonly used: Set<string>;
    /** What it was sent. */
    readonly tokens: string[];
  };
  /** A call as a person; by headers where it is none. */
  call(
    who: Person | Record<'authorization', string> | undefined,
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: object,
  ): Promise<Response>;
  /** The status of a request for a ticket. */
  mint(who: Person, agent: string, instance?: string): Promise<number>;
  /** The commands so far, each verified on its arrival as the worker would. */
  commandsSent(): Promise<ControlCommand[]>;
  lastCommand(): Promise<ControlCommand>;
  changesWaiting(): Promise<number>;
  /** Every owner grant that an instance ever had, deleted ones too. */
  ownersOf(agent: string, instance: string): Promise<readonly GrantRow[]>;
  /** How many instances a principal holds by having been first. */
  claimsOf(principal: string): Promise<number>;
  /** Why agent workers would refuse a ticket by their record database. */
  whyRevoked(ticket: Revocable): Promise<RevocationCode | undefined>;
  openSession(fact: Partial<SessionFact>): Promise<string>;
  /** Writes a call within a session. */
  invoke(sessionId: string, fact: Pick<InvocationFact, 'method' | 'startedAt'>): Promise<void>;
}

/**
 * A broker with two tenants, and an agent worker that can be taken down.
 *
 * @param more agents beside the usual ones.
 * @param settings beside the usual ones.
 */
export async function startOperatorBroker(
  more: readonly AgentEntry[] = [],
  settings: Readonly<Record<string, string>> = {},
): Promise<OperatorBroker> {
  const [tenant, other] = [await testIssuer(TENANT), await testIssuer(OTHER)];
  const rules = [
    ...PERMISSIONS.map((name) => ({ claim: 'permissions', equals: name, permissions: [name] })),
    { claim: 'permissions', equals: 'tier:admin', tier: 'admin' },
    ...['staff', 'guests'].map((name) => ({ claim: 'teams', equals: name, groups: [name] })),
  ];
  const started = await startNodeBroker(
    {
      AUTH0_DOMAIN: 'tenant.test,other.test',
      AUTH0_AUDIENCE: `tenant.test|${AUDIENCE},other.test|${AUDIENCE}`,
      TRUST_EMAIL: TENANT,
      CLAIM_RULES: JSON.stringify(
        [TENANT, OTHER].flatMap((issuer) => rules.map((rule) => ({ issuer, ...rule }))),
      ),
      ...settings,
    },
    {
      'https://tenant.test/.well-known/jwks.json': tenant.keySet,
      'https://other.test/.well-known/jwks.json': other.keySet,
    },
  );
  const { clock, runtime } = started;
  const { control, record } = started.ports;
  const registry = [...AGENTS, DIARY, HIDDEN, LETTERS, ASLEEP, ...more];
  const used = new Set<string>();
  const worker: OperatorBroker['worker'] = {
    answer: async (command) =>
      Response.json(
        command.op === 'lapse'
          ? { ...CLEAN, closed: 0, opened: used.has(`${command.agent}/${command.instance}`) }
          : CLEAN,
      ),
    used,
    tokens: [],
  };
  const background: Promise<void>[] = [];
  const received: ControlCommand[] = [];
  const ports: BrokerPorts = {
    ...started.ports,
    registry,
    later: (work) => void background.push(work),
    shard: mintShardInProcess(
      { registry, control, config: started.ports.config, randomId: runtime.randomId },
      record,
      runtime.clock,
    ),
    sendControl: async (_worker, token) => {
      worker.tokens.push(token);
      const command = await commandIn(token);
      received.push(command);
      return worker.answer(command);
    },
  };
  const app = checkedApp(ports);

  async function commandIn(token: string): Promise<ControlCommand> {
    const verified = await verifyControl(token, {
      issuer: BROKER,
      ticketAudience: 'agents.test',
      nowSeconds: clock.now,
      findKey: findKeyOf(ports),
    });
    if (!verified.ok) throw new Error(`the command does not verify: ${verified.denial.detail}`);
    return verified.value.cmd;
  }

  const credential = async (who: Parameters<OperatorBroker['call']>[0]): Promise<Record<string, string>> => {
    if (who === undefined) return {};
    if ('authorization' in who) return who;
    const { at = 'tenant', ...claims } = who;
    const signer = at === 'tenant' ? tenant : other;
    const times = { aud: AUDIENCE, iat: NOW - 60, exp: NOW + 12 * 3600 };
    return { authorization: `Bearer ${await signer.sign({ ...times, ...claims })}` };
  };
  const call: OperatorBroker['call'] = async (who, method, path, body) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const answer = await app.request(`${BROKER}${path}`, {
      method,
      headers: {
        ...(await credential(who)),
        'content-type': 'application/json',
        ...(text === undefined ? {} : { 'content-length': String(new TextEncoder().encode(text).length) }),
      },
      ...(text === undefined ? {} : { body: text }),
    });
    // A test sees what runs beside the answer as done.
    await Promise.all(background.splice(0));
    return answer;
  };
  const deliver = (fact: Parameters<typeof record.deliver>[0][number]) =>
    record.deliver([fact], clock.now * 1000);

  const rowsOn = (at: { agent: string; instance: string }, principal = '') =>
    control.readPolicy({
      principal,
      subjects: [],
      at,
      targets: [],
      claimsSince: clock.now * 1000 - CLAIM_LAPSES_MS,
      now: clock.now * 1000,
    });

  // The first keys are changes as well, which no test is about.
  await ports.keyring.signer(clock.now * 1000);
  await ports.auditKeyring.signer(clock.now * 1000);
  await flushOutbox(ports);

  return {
    ...started,
    app,
    ports,
    worker,
    call,
    mint: async (who, agent, instance) =>
      (await call(who, 'POST', '/tickets', { agent, ...(instance === undefined ? {} : { instance }) }))
        .status,
    commandsSent: async () => [...received],
    async lastCommand() {
      const command = received.at(-1);
      if (command === undefined) throw new Error('no command was sent');
      return command;
    },
    changesWaiting: () => control.outbox.count(),
    ownersOf: async (agent, instance) => (await rowsOn({ agent, instance })).owners,
    claimsOf: async (principal) => (await rowsOn({ agent: 'none', instance: 'none' }, principal)).claims,
    async whyRevoked(ticket) {
      const now = clock.now * 1000;
      return strongestHit(ticket, await record.revocations.ofTargets(ticket.names, now), now)?.code;
    },
    async invoke(sessionId, fact) {
      await deliver({
        invocation: {
          id: crypto.randomUUID(),
          sessionId,
          durationMs: 1,
          outcome: 'success',
          code: null,
          ...fact,
        },
      });
    },
    async openSession(fact) {
      const id = crypto.randomUUID();
      const at = clock.now * 1000;
      const session = {
        id,
        principal: idOf({ sub: 'alice' }),
        agent: 'counter',
        instance: 'main',
        audience: 'agents.test',
        role: 'viewer',
        scope: 'agent:connect',
        startedAt: at,
        endedAt: null,
        endReason: null,
        ipAddress: null,
        userAgent: null,
        jti: crypto.randomUUID(),
        kid: 'k'.repeat(43),
        rev: 0,
        grantId: null,
        loginId: null,
        ...fact,
      } as const;
      const event = { eventId: crypto.randomUUID(), at, type: 'session.opened', outcome: 'success' } as const;
      await deliver({ event, session });
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
