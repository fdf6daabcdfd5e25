import { env } from 'cloudflare:workers';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import type { Revocation } from '@agent-ticket/shared/revocation.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRevocationFeed } from '../src/gate/revocation-feed.ts';
import { sendCommand } from '../src/handover.ts';
import type { Arrivals } from '../src/recorder/arrivals.ts';
import { lock, recordRevocation, refresh } from './commands.ts';
import { gateWith } from './gate.ts';
import { objectIds, ownSessions, witness } from './objects.ts';
import type { Front } from './openapi.ts';
import { eventsOf } from './record.ts';
import { ask, connect, refusedSocket, type Socket, upgrade } from './sockets.ts';
import { makeTicket, newInstance, unknownSigner } from './tickets.ts';

/** A gate that begins knowing nothing, as in a new isolate, over the recorder that the worker has. */

let instance: string;
let reads: number;
/** What the recorder's answer waits for. */
let hold: Promise<unknown>;
let background: Promise<unknown>[];
let lines: Readonly<Record<string, unknown>>[];
let gate: Front;

beforeEach(() => {
  [instance, reads, hold, background, lines] = [newInstance(), 0, Promise.resolve(), [], []];
  // One of its own: others may have read at this very moment of the stopped clock.
  const recorder = env.RECORDER.getByName(instance);
  gate = gateWith({
    checkRevoked: createRevocationFeed({
      async readArrivals(after): Promise<Arrivals> {
        reads += 1;
        await hold;
        return recorder.revocationsAfter(after);
      },
      findByTargets: async () => [],
      end: (agent, name, revocation) => sendCommand(env, agent, name, { op: 'revoke', revocation }),
      clock: () => Date.now(),
      sleep: (ms) => scheduler.wait(ms),
      log: (line) => lines.push(line),
    }),
    keepAlive: (work) => void background.push(work),
    log: (line) => lines.push(line),
  });
});

const SCOPE = 'agent:connect agent:state:read agent:message';
const path = () => `/agents/witness/${instance}`;
const ticketOf = (claims: object = {}) => makeTicket({ instance, agent: 'witness', scope: SCOPE, ...claims });
const enter = async (): Promise<Socket> => connect(path(), { ticket: await ticketOf(), front: gate });
const post = async () => ask(path(), { method: 'POST', ticket: await ticketOf(), front: gate });
const drained = () => Promise.all(background);

describe('a cold gate', () => {
  // So nothing but the gate can end a session.
  const rename = (from: string, to: string) => env.RECORD.exec(`ALTER TABLE ${from} RENAME TO ${to}`);
  const isBroken = async () =>
    (await env.RECORD.prepare("SELECT name FROM sqlite_master WHERE name = 'audit_events'").first()) === null;
  beforeEach(() => rename('audit_events', 'audit_events_away'));
  afterEach(async () => {
    if (await isBroken()) await rename('audit_events_away', 'audit_events');
  });
  async function revoke(revocation: Revocation): Promise<void> {
    await rename('audit_events_away', 'audit_events');
    await recordRevocation(revocation);
    await rename('audit_events', 'audit_events_away');
  }

  test('admits beside its read, which ends what a revocation hits', async () => {
    await revoke(refresh(`instance:witness/${instance}`));
    let arrive = (): void => {};
    hold = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const socket = await enter();
    await socket.frame('seen');
    arrive();
    await drained();
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'rights_changed' });
    expect(reads).toBe(1);
  });

  test('ends a session also where its read arrives before the object has answered', async () => {
    await revoke(lock(`principal:auth0:t:${instance}`));
    const ticket = await ticketOf({ sub: `auth0:t:${instance}` });
    const answer = await upgrade(path(), { ticket, front: gate });
    await drained();
    expect(await refusedSocket(answer)).toMatchObject({ code: 4003, reason: 'forbidden' });
    expect(await ownSessions(witness(instance))).toMatchObject([{ end_reason: 'locked' }]);
  });

  test.for(['GET', 'POST'])('lets a plain %s wait for its read', async (method) => {
    await revoke(lock(`instance:witness/${instance}`));
    const before = await objectIds();
    const answer = await ask(path(), { method, ticket: await ticketOf(), front: gate });
    expect([answer.status, reads]).toEqual([403, 1]);
    expect(await objectIds()).toEqual(before);
  });

  test('refuses, once it has read, by itself and without a trip', async () => {
    await revoke(lock(`instance:witness/${instance}`));
    await post();
    const answer = await upgrade(path(), { ticket: await ticketOf(), front: gate });
    expect(await refusedSocket(answer)).toEqual({ status: 101, code: 4003, reason: 'forbidden', frames: [] });
    const json = { accept: 'application/json' };
    const ticket = await ticketOf();
    expect((await upgrade(path(), { ticket, headers: json, front: gate })).status).toBe(403);
    expect(lines).toContainEqual(expect.objectContaining({ event: 'auth_failure', reason: 'locked' }));
    expect(reads).toBe(1);
  });
});

test('a flood of connects and plain requests costs one read', async () => {
  const answers = await Promise.all(
    Array.from({ length: 40 }, async (_, n) => (n % 2 === 0 ? (await enter()).frame('seen') : post())),
  );
  expect(answers).toHaveLength(40);
  await drained();
  await post();
  expect(reads).toBe(1);
});

describe('a request without a valid ticket causes no read', () => {
  test.for<[what: string, run: () => Promise<Response>]>([
    ['no ticket', () => upgrade(path(), { front: gate })],
    ['no ticket, plain', () => ask(path(), { front: gate })],
    [
      'a forged one',
      async () =>
        upgrade(path(), {
          ticket: await makeTicket({ instance, agent: 'witness', scope: SCOPE }, { by: unknownSigner }),
          front: gate,
        }),
    ],
    [
      'an expired one',
      async () => ask(path(), { ticket: await ticketOf({ iat: 1, nbf: 1, exp: 60 }), front: gate }),
    ],
    [
      'one of another instance',
      async () => upgrade(path(), { ticket: await ticketOf({ instance: 'x' }), front: gate }),
    ],
    [
      'one without the scope',
      async () => ask(path(), { ticket: await ticketOf({ scope: 'agent:connect' }), front: gate }),
    ],
  ])('%s', async ([, run]) => {
    await run();
    await drained();
    expect(reads).toBe(0);
  });
});

describe('a recorder that does not answer', () => {
  beforeEach(() => {
    hold = new Promise(() => {});
  });

  test('keeps no socket out', async () => {
    await (await enter()).frame('seen');
    expect(reads).toBe(1);
  });

  test('keeps no plain request out, and the log says that it was let through unread', async () => {
    expect((await post()).status).toBe(200);
    expect(lines).toContainEqual(expect.objectContaining({ event: 'auth_success', revocations: 'unread' }));
  });
});

test('a session that is admitted while revocations cannot be read says so in its event', async () => {
  gate = gateWith({
    checkRevoked: async () => ok({ feed: 'away', noteInside: async () => ok(undefined) }),
  });
  await (await enter()).frame('seen');
  await eventually(async () => {
    const [used] = await eventsOf(instance);
    expect(JSON.parse(used?.details ?? '')).toEqual({ delivery: 'query', revocations: 'unread' });
  });
});

test.for(['', '/stream/silent'])(
  'an answer is not passed on where a read says meanwhile that its ticket is revoked: %s',
  async (below) => {
    const revocation = lock(`instance:witness/${instance}`);
    const noteInside = async () => {
      await sendCommand(env, 'witness', instance, { op: 'revoke', revocation });
      return err('locked');
    };
    gate = gateWith({ checkRevoked: async () => ok({ feed: 'away', noteInside }) });
    const ticket = await ticketOf({ transport: 'http' });
    const answer = await ask(`${path()}${below}`, { ticket, front: gate });
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ error: { code: 'FORBIDDEN' } });
  },
);

test.for([
  ['is passed on after a second, by what was read before it', 1_000, 200, 1],
  ['is passed on after more only where its ticket is still good', 1_001, 403, 2],
] as const)('an answer %s', async ([, ms, status, count]) => {
  let checks = 0;
  gate = gateWith({
    clock: () => Date.now() + (checks === 0 ? 0 : ms),
    async checkRevoked() {
      checks += 1;
      return checks === 1 ? ok({ feed: 'fresh', noteInside: async () => ok(undefined) }) : err('locked');
    },
  });
  expect([(await post()).status, checks]).toEqual([status, count]);
});

test('a recorder answers what arrived after a number, as the commands of the broker have it', async () => {
  const revocation = lock(`instance:witness/${instance}`);
  await recordRevocation(revocation);
  const first = await env.RECORDER.getByName(instance).revocationsAfter(0);
  if (first.kind !== 'arrived') throw new Error(first.kind);
  expect(first.revocations.at(-1)).toEqual(revocation);
  expect(await env.RECORDER.getByName(instance).revocationsAfter(first.through)).toEqual({
    ...first,
    revocations: [],
  });
});
