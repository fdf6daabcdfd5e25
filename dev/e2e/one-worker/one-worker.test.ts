import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as z from 'zod';
import { nextFrame, openSocket, watchToClose } from '../sockets.ts';
import { type OneWorker, startOneWorker } from './deployment.ts';

/** The app of docs/deploy/one-worker.md in the real runtime: agent, gate and broker in one worker, on one database. */

const PATIENCE_MS = 240_000;
const Seq = z.array(z.object({ seq: z.int() }));
const Checkpoints = z.looseObject({ items: z.array(z.looseObject({ through: z.int() })) });
let at: OneWorker;

beforeAll(async () => {
  at = await startOneWorker();
}, PATIENCE_MS);
afterAll(() => at?.close());

it('has an entry file of at most 25 lines', () => {
  expect(at.entry.trimEnd().split('\n').length).toBeLessThanOrEqual(25);
});

it('says in its log what its place costs', async () => {
  await at.ask('/broker/healthz', undefined);
  await eventually(() => {
    const events = at.lines.flatMap((line): unknown[] => (line.startsWith('{') ? [JSON.parse(line)] : []));
    expect(events).toContainEqual({
      event: 'mounted',
      base_path: '/broker',
      warning: expect.stringContaining('docs/deploy/one-worker.md'),
    });
  });
});

it('leaves the app what is its own', async () => {
  expect(await (await at.ask('/', undefined)).text()).toBe('the app');
  expect(await (await at.ask('/tickets', undefined)).text()).toBe('the app');
});

it('opens one session by a ticket, which is for the issuer below the path', async () => {
  const { ticket, socketUrl } = await at.mint();
  expect(decodeJwt(ticket)).toMatchObject({ iss: 'https://app.example.com/broker', aud: 'app.example.com' });
  const { socket } = openSocket(socketUrl);
  await nextFrame(socket);
  expect(await watchToClose(socketUrl)).toMatchObject({ frames: [], code: 3000 });
});

it('closes a live socket by a lock, and those that open by a ticket from before', async () => {
  const { socketUrl } = await at.mint();
  const early = await at.mint();
  const { socket, closed } = openSocket(socketUrl);
  await nextFrame(socket);
  await eventually(async () =>
    expect(await at.rows('SELECT agent_slug FROM agent_sessions WHERE ended_at IS NULL')).toHaveLength(1),
  );
  const target = { kind: 'principal', id: `token:${at.secrets.serviceToken.id}` };
  const locked = await at.ask('/broker/admin/locks', at.secrets.adminToken, {
    json: { target, reason: 'test' },
  });
  const lock = z.looseObject({ id: z.string(), receipt: z.unknown() }).parse(await locked.json());
  expect([locked.status, lock.receipt]).toMatchObject([201, { closed: 1, unreachable: 0, pending: 0 }]);
  expect(await closed).toMatchObject({ code: 4003 });
  // At once or within a second, as the gate knows the lock or does not yet.
  expect(await openSocket(early.socketUrl).closed).toMatchObject({ code: 4003 });
  // Authority and copy are beside each other in one database.
  for (const table of ['revocations', 'revocation_copies'])
    expect(await at.rows(`SELECT code FROM ${table}`)).toEqual([{ code: 'locked' }]);
  const lifted = await at.ask(`/broker/admin/locks/${lock.id}`, at.secrets.adminToken, { method: 'DELETE' });
  expect(lifted.status).toBe(200);
});

it('seals the audit log by its cron trigger', async () => {
  const types = () => at.rows('SELECT DISTINCT type FROM audit_events');
  await eventually(async () => {
    const arrived = await types();
    for (const type of ['ticket.issued', 'ticket.used', 'lock.created', 'session.closed'])
      expect(arrived).toContainEqual({ type });
  });
  const [newest] = Seq.parse(await at.rows('SELECT max(seq) AS seq FROM audit_events'));
  // The first run of all: nothing is sealed before.
  await at.minute();
  const answer = await at.ask('/broker/admin/agents/audit/checkpoints', at.secrets.adminToken);
  const [checkpoint] = Checkpoints.parse(await answer.json()).items;
  expect(checkpoint?.through).toBeGreaterThanOrEqual(newest?.seq ?? Number.POSITIVE_INFINITY);
});

it('is ready: gate and broker have reached each other without the network, and agree', async () => {
  const answer = await at.ask('/broker/readyz', undefined);
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({
    status: 'ready',
    mint: true,
    record: true,
    workers_differing: 0,
    workers_unanswered: 0,
  });
});

it('has no agent, no command and no page of the app on the hostname of its sign-in', async () => {
  const { ticket } = await at.mint();
  const headers = { authorization: `Bearer ${ticket}` };
  for (const [path, method] of [
    ['/agents/counter/one', 'GET'],
    ['/control', 'POST'],
    ['/page', 'GET'],
  ] as const) {
    const answer = await fetch(`${at.own}${path}`, { method, headers });
    expect([answer.status, await answer.json()]).toMatchObject([404, { error: { code: 'NOT_FOUND' } }]);
  }
  expect((await fetch(`${at.own}/healthz`)).status).toBe(200);
});

it('when its secrets were seen: after new ones, a rotation and a revocation nothing of before opens anything', async () => {
  const before = await at.mint();
  const kid = decodeProtectedHeader(before.ticket).kid;
  const fresh = makeSecrets();
  await at.deployWith(fresh, { KEK_PREVIOUS: at.secrets.keyEncryptionKey });
  expect((await at.ask('/broker/me', at.secrets.serviceToken)).status).toBe(401);
  expect((await at.ask('/broker/me', at.secrets.adminToken)).status).toBe(401);

  const order = (path: string, json?: object) =>
    at.ask(path, fresh.adminToken, { method: 'POST', ...(json === undefined ? {} : { json }) });
  expect(await (await order('/broker/admin/keys/reseal')).json()).toMatchObject({ unreadable: [] });
  expect((await order('/broker/admin/keys/rotate', { activate: 'now' })).status).toBe(201);
  expect((await order(`/broker/admin/keys/${kid}/revoke`)).status).toBe(200);
  await at.deployWith(fresh, {});

  expect(await watchToClose(before.socketUrl)).toMatchObject({ frames: [], code: 4001 });
  const after = await at.mint(fresh.serviceToken);
  expect(decodeProtectedHeader(after.ticket).kid).not.toBe(kid);
  const { socket } = openSocket(after.socketUrl);
  await nextFrame(socket);
});
