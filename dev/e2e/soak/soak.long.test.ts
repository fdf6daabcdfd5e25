import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyExport } from '@agent-ticket/broker/src/audit/proof/verify.ts';
import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { freePorts as anyFreePorts } from '@agent-ticket/shared/test/free-ports.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as z from 'zod';
import { openSocket } from '../../bench/socket-client.ts';
import { type Stack, startStack } from '../../start/stack.ts';
import { freePorts } from '../free-ports.ts';
import { heldKilobytes } from './heaps.ts';

/**
 * Mixed load for minutes, with rotations, locks and restarts: afterwards every ticket, event and session is accounted for.
 * `SOAK_MINUTES`: left out, 5.
 */

const MINUTES = Number(process.env.SOAK_MINUTES ?? 5);
/** Parts of the run at whose ends everything is restarted. What follows is measured for memory. */
const RESTARTS = [0.15, 0.3];
const CALLERS = 6;
const INSTANCES = 20;
/** Pauses between the acts of an operator, in ms. */
const EVERY = { rotation: 15_000, lock: 5_000, cron: 20_000, sample: 5_000 };
/** Of what both workers hold after a collection of garbage, late to early. */
const MOST_GROWTH = 1.1;

const secrets = makeSecrets();
const Ticket = z.object({ ticket: z.string(), jti: z.string(), url: z.string() });
const Lock = z.object({ id: z.string() });
const Created = z.object({ id: z.string(), client_secret: z.string() });
/** Secrets of callers without a limit of tickets. */
const callers: string[] = [];

let stack: Stack;
let inspector: string;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-ticket-soak-'));
  const [inspectorPort = 0] = await anyFreePorts(1);
  inspector = `http://127.0.0.1:${inspectorPort}`;
  const stateDir = join(folder, 'state');
  stack = await startStack({ ports: await freePorts(), secrets, stateDir, inspectorPort });
  for (let number = 0; number < CALLERS; number += 1) {
    const made = await operate('/admin/service-tokens', { name: `caller ${number}`, tier: 'admin' });
    const { id, client_secret } = Created.parse(await made.json());
    callers.push(client_secret);
    const grant = { subject: `token:${id}`, agent: 'counter', instance: '*', role: 'admin', reason: 'soak' };
    expect((await operate('/admin/grants', grant)).status).toBe(201);
  }
});
afterAll(async () => {
  await stack?.close();
  await rm(folder, { recursive: true, force: true });
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const ask = (path: string, secret: string, body?: object, method = body === undefined ? 'GET' : 'POST') =>
  fetch(`${stack.facts.broker}${path}`, {
    method,
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const operate = (path: string, body?: object, method?: string) =>
  ask(path, secrets.adminToken.clientSecret, body, method);

/** What the callers and the operator saw. */
const seen = {
  answered: new Set<string>(),
  opened: new Set<string>(),
  refusals: [] as string[],
  closes: new Map<number, number>(),
  rotations: 0,
  locks: 0,
  calls: 0,
  kilobytes: [] as number[],
};
let isRestarting = false;
/** Restarts that have begun: what a request saw while one was under way counts for nothing. */
let restarts = 0;

/** One mint, one socket, some calls, one close. Everything but a restart is a refusal that should not be. */
async function connectOnce(number: number): Promise<void> {
  const before = restarts;
  const wasRestarted = () => isRestarting || restarts !== before;
  try {
    const instance = `soak-${number % INSTANCES}`;
    const secret = callers[number % CALLERS] ?? '';
    const answer = await ask('/tickets', secret, { agent: 'counter', instance });
    if (answer.status !== 201) throw new Error(`mint: ${answer.status} ${await answer.text()}`);
    const { ticket, jti, url } = Ticket.parse(await answer.json());
    seen.answered.add(jti);
    const results = new Set<string>();
    const socket = await openSocket(new URL(url.split('?')[0] ?? ''), ['agent-ticket.v1', ticket], (text) => {
      const id = /"id":"(call-\d)".*"success":true|"success":true.*"id":"(call-\d)"/.exec(text);
      if (id !== null) results.add(id[1] ?? id[2] ?? '');
    });
    await socket.opened;
    seen.opened.add(jti);
    for (const call of [1, 2, 3])
      socket.send(JSON.stringify({ type: 'rpc', id: `call-${call}`, method: 'increment', args: [] }));
    while (results.size < 3) {
      const ended = await Promise.race([socket.ended, pause(5)]);
      if (ended !== undefined) throw new Error(`socket: closed with ${ended.code}`);
    }
    seen.calls += 3;
    socket.close();
    const { code } = await socket.ended;
    // A restart cuts what it meets.
    if (!wasRestarted()) seen.closes.set(code, (seen.closes.get(code) ?? 0) + 1);
  } catch (error) {
    if (!wasRestarted()) seen.refusals.push(String(error));
    else await pause(50);
  }
}

/** A lock on an instance with an open socket, which it has to close, and its lift. */
async function lockOnce(number: number): Promise<void> {
  const before = restarts;
  try {
    const instance = `locked-${number}`;
    const answer = await ask('/tickets', secrets.serviceToken.clientSecret, { agent: 'counter', instance });
    const { ticket, jti, url } = Ticket.parse(await answer.json());
    seen.answered.add(jti);
    const socket = await openSocket(new URL(url.split('?')[0] ?? ''), ['agent-ticket.v1', ticket]);
    await socket.opened;
    seen.opened.add(jti);
    const target = { kind: 'instance', agent: 'counter', instance };
    const { id } = Lock.parse(await (await operate('/admin/locks', { target, reason: 'soak' })).json());
    const { code } = await socket.ended;
    if (code !== 4003) throw new Error(`lock: closed with ${code}`);
    const lifted = await operate(`/admin/locks/${id}`, undefined, 'DELETE');
    if (!lifted.ok) throw new Error(`lift: ${lifted.status}`);
    seen.locks += 1;
  } catch (error) {
    if (!isRestarting && restarts === before) seen.refusals.push(String(error));
  }
}

async function rotateOnce(): Promise<void> {
  const before = restarts;
  const answer = await operate('/admin/keys/rotate', { activate: 'now' }).catch(() => undefined);
  if (answer?.status === 201) seen.rotations += 1;
  else if (!isRestarting && restarts === before) seen.refusals.push(`rotate: ${answer?.status}`);
}

async function restart(): Promise<void> {
  restarts += 1;
  isRestarting = true;
  await stack.restart();
  isRestarting = false;
}

const cron = async (): Promise<void> => {
  const before = restarts;
  if (isRestarting) return;
  try {
    await (await stack.workers.getWorker('broker')).scheduled({ cron: '* * * * *' });
  } catch (error) {
    // A restart cuts this call, too.
    if (restarts === before) throw error;
  }
};

const rows = async <T>(sql: string, shape: z.ZodType<T>): Promise<T[]> => {
  const record = await stack.workers.getD1Database('RECORD', 'broker');
  return z.array(shape).parse((await record.prepare(sql).all()).results);
};
const Ended = z.object({ jti: z.string(), ended_at: z.int().nullable() });
const Event = z.object({ type: z.string(), jti: z.string().nullable() });

it(`accounts for every ticket, event and session after ${MINUTES} minutes, and its memory is flat`, {
  timeout: (MINUTES + 10) * 60_000,
}, async () => {
  const startedAt = performance.now();
  const length = MINUTES * 60_000;
  const isOver = () => performance.now() - startedAt >= length;
  const repeat = async (everyMs: number, act: (number: number) => Promise<void>): Promise<void> => {
    for (let number = 0; !isOver(); number += 1) {
      await act(number);
      if (everyMs > 0) await pause(everyMs);
    }
  };
  const restarting = async (): Promise<void> => {
    for (const part of RESTARTS) {
      await pause(Math.max(0, startedAt + part * length - performance.now()));
      await restart();
    }
    await pause((length * (1 - (RESTARTS.at(-1) ?? 0))) / 4);
    await repeat(
      EVERY.sample,
      async () => void seen.kilobytes.push(Math.round(await heldKilobytes(inspector))),
    );
  };
  await Promise.all([
    ...Array.from({ length: CALLERS }, (_, caller) =>
      repeat(0, (number) => connectOnce(number * CALLERS + caller)),
    ),
    repeat(EVERY.lock, lockOnce),
    repeat(EVERY.rotation, rotateOnce),
    repeat(EVERY.cron, cron),
    restarting(),
  ]);

  expect(seen.refusals).toEqual([]);
  expect(seen.rotations).toBeGreaterThan(1);
  expect(seen.locks).toBeGreaterThan(1);
  expect([...seen.closes.keys()]).toEqual([1000]);

  // Until the objects and the shards have handed over what they hold.
  await eventually(async () => {
    const live = await rows('SELECT jti, ended_at FROM agent_sessions WHERE ended_at IS NULL', Ended);
    expect(live).toEqual([]);
    expect(await (await fetch(`${stack.facts.broker}/readyz`)).json()).toMatchObject({
      events_waiting: 0,
      agent_events_waiting: 0,
    });
  }, 120_000);
  for (let run = 0; run < 3; run += 1) await cron();

  const sessions = await rows('SELECT jti, ended_at FROM agent_sessions', Ended);
  const withSession = new Set(sessions.map(({ jti }) => jti));
  expect(sessions).toHaveLength(withSession.size);
  expect([...seen.opened].filter((jti) => !withSession.has(jti))).toEqual([]);
  const events = await rows(
    "SELECT type, jti FROM audit_events WHERE type IN ('ticket.issued', 'ticket.used', 'session.opened', 'session.closed', 'ticket.replayed')",
    Event,
  );
  const ofType = (type: string) => events.flatMap((event) => (event.type === type ? [event.jti ?? ''] : []));
  const issued = ofType('ticket.issued');
  expect(new Set(issued).size).toBe(issued.length);
  const known = new Set(issued);
  // An answer that a restart cut may have been a ticket.
  expect([...seen.answered].filter((jti) => !known.has(jti))).toEqual([]);
  for (const type of ['ticket.used', 'session.opened', 'session.closed'])
    expect(ofType(type).toSorted()).toEqual([...withSession].toSorted());
  expect(ofType('ticket.replayed')).toEqual([]);

  const keys = await (await fetch(`${stack.facts.broker}/.well-known/audit-jwks.json`)).arrayBuffer();
  const log = await (await operate('/admin/agents/audit/export')).text();
  const proof = await verifyExport(
    log.trim().split('\n'),
    (await readKeySet(new Uint8Array(keys), ['ES256', 'Ed25519'])) ?? new Map(),
  );
  expect(proof).toMatchObject({ content: [], order: [], gaps: [], tail: { faults: [] } });

  const half = Math.floor(seen.kilobytes.length / 2);
  const middle = (values: readonly number[]): number =>
    values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
  const [early, late] = [middle(seen.kilobytes.slice(0, half)), middle(seen.kilobytes.slice(half))];
  process.stdout.write(
    `${JSON.stringify({ tickets: seen.answered.size, sessions: sessions.length, calls: seen.calls, rotations: seen.rotations, locks: seen.locks, restarts, events: events.length, early, late, kilobytes: seen.kilobytes })}\n`,
  );
  expect(half).toBeGreaterThan(2);
  expect(late).toBeLessThan(early * MOST_GROWTH);
});
