import type { Revocation } from '@agent-ticket/shared/revocation.ts';
import { describe, expect, test } from 'vitest';
import { lock, refresh, revokedBefore } from './commands.ts';
import { gate } from './gate.ts';
import { objectIds } from './objects.ts';
import { expectEvents } from './record.ts';
import { ask, connect, refusedSocket, type Socket, upgrade } from './sockets.ts';
import { makeTicket, NOW, newInstance } from './tickets.ts';

/**
 * Each way to lose a right by each use of a ticket from before, a second after the change. No command of the broker
 * arrives here: only what a gate reads can refuse.
 */

const SCOPE = 'agent:connect agent:state:read agent:message';

/** A caller on an instance of its own, with every row that a ticket can depend on. */
interface Caller {
  readonly instance: string;
  readonly sub: string;
  readonly grant: string;
  readonly login: string;
  readonly actor: string;
}

const newPerson = () => `auth0:t:${crypto.randomUUID()}`;
const newService = () => `token:svc_${crypto.randomUUID().replaceAll('-', '').slice(0, 22)}`;
const newCaller = (sub: string): Caller => ({
  instance: newInstance(),
  sub,
  grant: crypto.randomUUID(),
  login: crypto.randomUUID(),
  actor: newPerson(),
});

const ticketOf = ({ instance, sub, grant, login, actor }: Caller, transport = 'websocket') => {
  // Each test sets the clock a second further than the one before; no ticket may be refused for its age.
  const claims = { sub, grant, login, act: { sub: actor }, exp: NOW + 300 };
  return makeTicket({ instance, agent: 'witness', scope: SCOPE, transport, ...claims });
};
const pathOf = ({ instance }: Caller) => `/agents/witness/${instance}`;

const WAYS: readonly (readonly [
  way: string,
  caller: () => string,
  change: (caller: Caller) => Revocation,
])[] = [
  ['the grant was deleted', newPerson, ({ grant }) => lock(`grant:${grant}`, { code: 'rights_changed' })],
  ['the claim lapsed', newPerson, ({ grant }) => lock(`grant:${grant}`, { code: 'session_terminated' })],
  ['the person signed out', newPerson, ({ sub }) => refresh(`principal:${sub}`)],
  ['the browser signed out', newPerson, ({ login }) => lock(`login:${login}`, { code: 'rights_changed' })],
  ['the person was locked', newPerson, ({ sub }) => lock(`principal:${sub}`)],
  ['the actor was locked', newPerson, ({ actor }) => lock(`principal:${actor}`)],
  ['the token was revoked', newService, ({ sub }) => lock(sub.replace('token', 'service-token'))],
  [
    'the secret was replaced without a grace time',
    newService,
    ({ sub }) => refresh(sub.replace('token', 'service-token')),
  ],
];

/** A use of a ticket that was minted before the change. */
interface Use {
  works(): Promise<void>;
  isRefused(): Promise<void>;
}

const plain =
  (method: string, below = '') =>
  async (caller: Caller): Promise<Use> => {
    const ticket = await ticketOf(caller, 'http');
    const send = async () => {
      const answer = await ask(`${pathOf(caller)}${below}`, { method, ticket, front: gate });
      await answer.body?.cancel();
      return answer.status;
    };
    return {
      works: async () => expect(await send()).toBe(200),
      isRefused: async () => expect([401, 403]).toContain(await send()),
    };
  };

async function open(caller: Caller): Promise<Socket> {
  const socket = await connect(pathOf(caller), { ticket: await ticketOf(caller), front: gate });
  await socket.frame('seen');
  return socket;
}

const USES: readonly (readonly [use: string, prepare: (caller: Caller) => Promise<Use>])[] = [
  [
    'a socket',
    async (caller) => {
      const ticket = await ticketOf(caller);
      const enter = () => upgrade(pathOf(caller), { ticket, front: gate });
      return {
        works: async () =>
          void (await (await connect(pathOf(caller), { ticket, front: gate })).frame('seen')),
        async isRefused() {
          const { code, frames } = await refusedSocket(await enter());
          expect([3000, 4003]).toContain(code);
          expect(frames).toEqual([]);
        },
      };
    },
  ],
  ['a stream', plain('GET', '/stream/short')],
  ['a plain GET', plain('GET')],
  ['a plain POST', plain('POST')],
  ['a plain DELETE', plain('DELETE')],
  [
    'a renewal',
    async (caller) => {
      // The gate has read, and the record has the session: neither ends it for the change, so that the renewal has to be
      // refused for itself.
      const other = newCaller(newPerson());
      await ask(pathOf(other), { ticket: await ticketOf(other, 'http'), front: gate });
      const socket = await open(caller);
      await expectEvents(caller.instance, ['ticket.used', 'session.opened']);
      const ticket = await ticketOf(caller);
      const send = () => socket.send({ type: 'ticket.renew', ticket });
      return {
        async works() {
          send();
          await socket.frame('ticket.renewed');
        },
        async isRefused() {
          send();
          await socket.frame('ticket.refused');
          await socket.closed();
          expect(socket.frames.map(({ type }) => type)).not.toContain('ticket.renewed');
        },
      };
    },
  ],
];

describe.each(USES)('%s', (use, prepare) => {
  test.each([
    ['a person', newPerson],
    ['a service', newService],
  ])('of %s works while nothing of its ticket is revoked', async (_who, newSub) => {
    const { works } = await prepare(newCaller(newSub()));
    // Somebody else loses a right.
    await revokedBefore(lock(`principal:${newPerson()}`));
    await works();
  });

  test.each(WAYS)('is refused a second after %s', async (_way, newSub, change) => {
    const caller = newCaller(newSub());
    const { isRefused } = await prepare(caller);
    await revokedBefore(change(caller));
    const before = await objectIds();
    await isRefused();
    if (use !== 'a renewal') expect(await objectIds()).toEqual(before);
  });
});
