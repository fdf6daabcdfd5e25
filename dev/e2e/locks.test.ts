import { randomUUID } from 'node:crypto';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, inject, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { askForTicket, asOperator, kidOf, mint, post } from './broker.ts';
import { makeService } from './service.ts';
import { nextFrame, openSocket } from './sockets.ts';
import { sessionsOf } from './stack-queries.ts';

/** A lock on each kind of target, from its 201 on: at mint, at connect, at renewal, and on open sockets. */

const url = (path: string) => `${inject('stack').broker}${path}`;
const Locked = z.object({ id: z.string(), receipt: z.looseObject({ closed: z.int() }) });

async function lock(target: object): Promise<z.infer<typeof Locked>> {
  const made = await post(url('/admin/locks'), asOperator(), { target, reason: 'test' });
  expect(made.status).toBe(201);
  const locked = Locked.parse(await made.json());
  onTestFinished(async () => lift(locked.id));
  return locked;
}

const lift = async (id: string): Promise<void> => {
  await fetch(url(`/admin/locks/${id}`), { method: 'DELETE', headers: asOperator() });
};

interface Scene {
  readonly instance: string;
  readonly token: string;
  readonly session: string;
  readonly kid: string;
}

/** The target, and whether the lock also refuses later tickets: a session that is over has none. */
const KINDS: readonly [kind: string, target: (scene: Scene) => object, future: boolean][] = [
  ['principal', ({ token }) => ({ id: `token:${token}` }), true],
  ['service-token', ({ token }) => ({ id: token }), true],
  ['agent', () => ({ agent: 'counter' }), true],
  ['instance', ({ instance }) => ({ agent: 'counter', instance }), true],
  ['key', ({ kid }) => ({ kid }), true],
  ['everything', () => ({}), true],
  ['session', ({ session }) => ({ id: session }), false],
];

type Kind = (typeof KINDS)[number];

/** Expectations name the kind, since several run at once. */
async function lockFor([kind, targetOf, future]: Kind): Promise<void> {
  const refused = { code: 4003, reason: 'forbidden' };
  const instance = `locked-${randomUUID()}`;
  const service = await makeService();
  const [live, unused] = await Promise.all(
    Array.from({ length: 2 }, () => mint({ instance, expires_in: 300 }, service.headers)),
  );
  if (live === undefined || unused === undefined) throw new Error('no tickets');
  const { socket, closed } = openSocket(live.url);
  await nextFrame(socket);
  const session = await eventually(async () => {
    const [row] = await sessionsOf('counter', instance);
    return z.object({ id: z.string() }).parse(row).id;
  });

  // Some sockets open during the request for the lock: each is refused or closed.
  const tickets = await Promise.all(Array.from({ length: 4 }, () => mint({ instance }, service.headers)));
  const opening = future ? tickets.map((ticket) => openSocket(ticket.url)) : [];
  const scene = { instance, token: service.id, session, kid: kidOf(live.ticket) };
  const { id, receipt } = await lock({ kind, ...targetOf(scene) });
  expect(receipt.closed, kind).toBeGreaterThan(0);

  const minted = await askForTicket({ instance }, service.headers);
  expect(minted.status, kind).toBe(future ? 403 : 201);
  const late = openSocket(unused.url);
  if (!future) await nextFrame(late.socket);
  const over = [closed, ...[...opening, ...(future ? [late] : [])].map((each) => each.closed)];
  for (const seen of await Promise.all(over)) expect(seen, kind).toMatchObject(refused);

  await lift(id);
  const after = openSocket((await mint({ instance }, service.headers)).url);
  await nextFrame(after.socket);
  expect(after.socket.readyState, kind).toBe(WebSocket.OPEN);
}

/** Whether a lock affects only the test that sets it. */
const isAside = ([kind]: Kind): boolean => !['agent', 'key', 'everything'].includes(kind);

// Those that may be at once are.
it('locks on a principal, a service token, an instance and a session', async () => {
  await Promise.all(KINDS.filter(isAside).map(lockFor));
});

it.each(KINDS.filter((kind) => !isAside(kind)))('a lock on a target of the kind %s', async (...kind) => {
  await lockFor(kind);
});

async function renewalFor([kind, targetOf]: Kind): Promise<void> {
  const instance = `renewed-${randomUUID()}`;
  const service = await makeService();
  const [live, renewal] = [
    await mint({ instance }, service.headers),
    await mint({ instance }, service.headers),
  ];
  const { socket, closed } = openSocket(live.url);
  await nextFrame(socket);
  const locking = lock({ kind, ...targetOf({ instance, token: service.id, session: '', kid: '' }) });
  socket.send(JSON.stringify({ type: 'ticket.renew', ticket: renewal.ticket }));
  await locking;
  expect(await closed, kind).toMatchObject({ code: 4003, reason: 'forbidden' });
}

it('a renewal is refused by a lock that was set just before', async () => {
  await Promise.all(KINDS.filter((kind) => kind[2] && isAside(kind)).map(renewalFor));
  const [agent] = KINDS.filter(([kind]) => kind === 'agent');
  if (agent !== undefined) await renewalFor(agent);
});
