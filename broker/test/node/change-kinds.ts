import type { AuditType } from '@agent-ticket/shared/audit-event.ts';
import { PrincipalId } from '@agent-ticket/shared/names.ts';
import type { RevocationCode } from '@agent-ticket/shared/revocation.ts';
import { nameRequest } from '@agent-ticket/shared/trace-context.ts';
import * as z from 'zod';
import { CLAIM_LAPSES_MS } from '../../src/mint/policy.ts';
import { signOut } from '../../src/sign-in/sign-out.ts';
import { idOf, type OperatorBroker, type Person, ROOT } from './admin/operator-broker.ts';
import { bodyOf } from './answers.ts';

/** Every kind of change of policy, one example of each. */

const ALICE: Person = { sub: 'alice' };
const BOB: Person = { sub: 'bob' };

/** One change, ready to be made. */
export interface Ready {
  /** Makes it. Answers a status, or rejects as a step within the broker. */
  readonly act: () => Promise<Response>;
  /** The name of a target that it revokes, and with which code. */
  readonly revokes?: readonly [target: string, code: RevocationCode];
}

export interface Kind {
  readonly event: AuditType;
  /** Tables that one such change writes. */
  readonly writes: readonly string[];
  /** The command for live sessions; left out: none. */
  readonly command?: 'revoke' | 'destroy';
  readonly prepare: (broker: OperatorBroker) => Promise<Ready>;
}

const post = (broker: OperatorBroker, path: string, body?: object) => () =>
  broker.call(ROOT, 'POST', path, body);
const remove =
  (broker: OperatorBroker, path: string, who = ROOT) =>
  () =>
    broker.call(who, 'DELETE', path);
const idIn = async (answer: Response): Promise<string> => z.string().parse((await bodyOf(answer)).id);

const GRANT = { subject: idOf(BOB), agent: 'counter', instance: 'room', role: 'owner', reason: 'test' };
const LOCK = { target: { kind: 'agent', agent: 'counter' }, reason: 'test' };
const TOKENS = '/admin/service-tokens';
const WEBHOOKS = '/admin/webhooks';
const WEBHOOK = { name: 'archive', url: 'https://receiver.test/events' };

export const KINDS: readonly (readonly [what: string, kind: Kind])[] = [
  [
    'a grant that is made',
    {
      event: 'grant.created',
      writes: ['grants', 'outbox'],
      prepare: async (broker) => ({ act: post(broker, '/admin/grants', GRANT) }),
    },
  ],
  [
    'a grant that is deleted',
    {
      event: 'grant.deleted',
      writes: ['grants', 'outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        const id = await idIn(await post(broker, '/admin/grants', GRANT)());
        return { act: remove(broker, `/admin/grants/${id}`), revokes: [`grant:${id}`, 'rights_changed'] };
      },
    },
  ],
  [
    'a first user’s claim',
    {
      event: 'grant.created',
      writes: ['grants', 'outbox'],
      prepare: async (broker) => ({
        act: () => broker.call(ALICE, 'POST', '/tickets', { agent: 'diary', instance: 'room' }),
      }),
    },
  ],
  [
    'a claim that lapses',
    {
      event: 'grant.deleted',
      writes: ['grants', 'outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        await broker.mint(ALICE, 'diary', 'room');
        broker.clock.now += CLAIM_LAPSES_MS / 1000 + 1;
        const [claim] = await broker.ownersOf('diary', 'room');
        return {
          act: () => broker.call(BOB, 'POST', '/tickets', { agent: 'diary', instance: 'room' }),
          revokes: [`grant:${claim?.id}`, 'rights_changed'],
        };
      },
    },
  ],
  [
    'a lock that is set',
    {
      event: 'lock.created',
      writes: ['outbox', 'revocations'],
      command: 'revoke',
      prepare: async (broker) => ({
        act: post(broker, '/admin/locks', LOCK),
        revokes: ['agent:counter', 'locked'],
      }),
    },
  ],
  [
    'a lock that is lifted',
    {
      event: 'lock.lifted',
      writes: ['outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        const id = await idIn(await post(broker, '/admin/locks', LOCK)());
        return { act: remove(broker, `/admin/locks/${id}`) };
      },
    },
  ],
  [
    'a service token that is made',
    {
      event: 'service_token.created',
      writes: ['service_tokens', 'service_token_secrets', 'outbox'],
      prepare: async (broker) => ({ act: post(broker, TOKENS, { name: 'bot' }) }),
    },
  ],
  [
    'a secret that is rotated without a grace time',
    {
      event: 'service_token.rotated',
      writes: ['service_token_secrets', 'outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        const id = await idIn(await post(broker, TOKENS, { name: 'bot' })());
        return {
          act: post(broker, `${TOKENS}/${id}/rotate`, { grace_in: 0 }),
          revokes: [`service-token:${id}`, 'rights_changed'],
        };
      },
    },
  ],
  [
    'a replaced secret that is ended',
    {
      event: 'service_token.secret_ended',
      writes: ['service_token_secrets', 'outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        const id = await idIn(await post(broker, TOKENS, { name: 'bot' })());
        await post(broker, `${TOKENS}/${id}/rotate`, {})();
        return {
          act: remove(broker, `${TOKENS}/${id}/replaced-secret`),
          revokes: [`service-token:${id}`, 'rights_changed'],
        };
      },
    },
  ],
  [
    'a service token that is deleted',
    {
      event: 'service_token.revoked',
      writes: ['service_tokens', 'outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        const id = await idIn(await post(broker, TOKENS, { name: 'bot' })());
        return {
          act: remove(broker, `${TOKENS}/${id}`),
          revokes: [`service-token:${id}`, 'session_terminated'],
        };
      },
    },
  ],
  [
    'a session that is terminated',
    {
      event: 'session.terminated',
      writes: ['outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        const id = await broker.openSession({});
        return {
          act: remove(broker, `/admin/agents/sessions/${id}`),
          revokes: [`session:${id}`, 'session_terminated'],
        };
      },
    },
  ],
  [
    'sessions that are terminated by a selector',
    {
      event: 'session.terminated',
      writes: ['outbox', 'revocations'],
      command: 'revoke',
      prepare: async (broker) => ({
        act: post(broker, '/admin/agents/sessions/terminate', { principal: idOf(BOB) }),
        revokes: [`principal:${idOf(BOB)}`, 'session_terminated'],
      }),
    },
  ],
  [
    'an instance that is deleted',
    {
      event: 'agent.deleted',
      writes: ['outbox', 'revocations'],
      command: 'destroy',
      async prepare(broker) {
        await post(broker, '/admin/grants', GRANT)();
        return {
          act: remove(broker, '/api/agents/counter/room', BOB),
          revokes: ['instance:counter/room', 'rights_changed'],
        };
      },
    },
  ],
  [
    'a key that is rotated',
    {
      event: 'key.rotated',
      writes: ['signing_keys', 'outbox'],
      prepare: async (broker) => ({ act: post(broker, '/admin/keys/rotate', {}) }),
    },
  ],
  [
    'a key that is revoked',
    {
      event: 'key.revoked',
      writes: ['signing_keys', 'outbox', 'revocations'],
      command: 'revoke',
      async prepare(broker) {
        const { ports, clock } = broker;
        const signer = await ports.keyring.signer(clock.now * 1000);
        const kid = signer.ok ? signer.value.row.kid : '';
        return { act: post(broker, `/admin/keys/${kid}/revoke`), revokes: [`key:${kid}`, 'locked'] };
      },
    },
  ],
  [
    'a sign-out',
    {
      event: 'login.ended',
      writes: ['principals', 'outbox', 'revocations'],
      command: 'revoke',
      async prepare({ ports, clock }) {
        const who = {
          principal: { ...somebody, id: PrincipalId.parse(idOf(ALICE)) },
          method: 'auth0',
        } as const;
        const act = async () => {
          const named = nameRequest(new Headers(), crypto.randomUUID());
          const context = { ...named, now: clock.now * 1000, ipAddress: null, userAgent: null };
          const request = new Request('https://broker.test/auth/logout');
          const call = { ...context, request, params: {}, who, ports };
          const order = { by: 'logout', principals: [who.principal.id], login: undefined, ends: [] } as const;
          await signOut(order, call);
          return new Response(null, { status: 302 });
        };
        return { act, revokes: [`principal:${who.principal.id}`, 'session_terminated'] };
      },
    },
  ],
  [
    'a webhook that is made',
    {
      event: 'webhook.created',
      writes: ['webhooks', 'outbox'],
      prepare: async (broker) => ({ act: post(broker, WEBHOOKS, WEBHOOK) }),
    },
  ],
  [
    'a webhook whose events are sent again',
    {
      event: 'webhook.redelivered',
      writes: ['webhooks', 'outbox'],
      async prepare(broker) {
        const id = await idIn(await post(broker, WEBHOOKS, WEBHOOK)());
        broker.clock.now += 1;
        return { act: post(broker, `${WEBHOOKS}/${id}/redeliver`, { after: 0 }) };
      },
    },
  ],
  [
    'a webhook that is deleted',
    {
      event: 'webhook.deleted',
      writes: ['webhooks', 'outbox'],
      async prepare(broker) {
        const id = await idIn(await post(broker, WEBHOOKS, WEBHOOK)());
        return { act: remove(broker, `${WEBHOOKS}/${id}`) };
      },
    },
  ],
  [
    'a reading of the audit log',
    {
      event: 'admin.read',
      writes: ['outbox'],
      prepare: async (broker) => ({ act: () => broker.call(ROOT, 'GET', '/admin/agents/audit') }),
    },
  ],
];

const somebody = {
  kind: 'user',
  issuer: 'test',
  groups: [],
  tier: 'free',
  permissions: [],
  sources: [],
} as const;
