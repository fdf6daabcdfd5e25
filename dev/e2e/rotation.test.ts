import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, inject, it } from 'vitest';
import * as z from 'zod';
import { asOperator, asService, kidOf, mint, post } from './broker.ts';
import { connected, nextFrame, openSocket } from './sockets.ts';
import { eventsOfType } from './stack-queries.ts';

/** The tests build on each other: the last one leaves a rotation pending. */

const Rotation = z.strictObject({
  kid: z.string(),
  alg: z.enum(['ES256', 'Ed25519']),
  state: z.enum(['active', 'pending']),
  activates_at: z.iso.datetime(),
  previous: z.strictObject({
    kid: z.string(),
    retires_at: z.iso.datetime(),
    removed_at: z.iso.datetime(),
  }),
});

const ask = (body: object, headers = asOperator()): Promise<Response> =>
  post(`${inject('stack').broker}/admin/keys/rotate`, headers, body);

async function rotate(body: object): Promise<z.infer<typeof Rotation>> {
  const answer = await ask(body);
  expect(answer.status).toBe(201);
  return Rotation.parse(await answer.json());
}

const Jwks = z.strictObject({ keys: z.array(z.looseObject({ kid: z.string(), alg: z.string() })) });

async function published(): Promise<string[]> {
  const answer = await fetch(`${inject('stack').broker}/.well-known/jwks.json`);
  return Jwks.parse(await answer.json()).keys.map((key) => key.kid);
}

const currentKid = async (): Promise<string> => kidOf((await mint({ instance: 'which-key' })).ticket);

it.each([
  ['a caller without a credential', () => ({}), 401, 'UNAUTHORIZED'],
  ['a service without the permission', asService, 403, 'FORBIDDEN'],
])('%s may not rotate', async (_name, headers, status, code) => {
  const before = await published();
  const answer = await ask({ activate: 'now' }, headers());
  expect(answer.status).toBe(status);
  expect(await answer.json()).toMatchObject({ error: { code } });
  expect(await published()).toEqual(before);
});

it('a ticket from before a rotation still opens a socket, and the next one is signed by the new key', async () => {
  const old = await mint({ instance: 'over-the-rotation' });
  const { kid, alg, state, previous } = await rotate({ activate: 'now' });
  expect([alg, state, previous.kid]).toEqual(['ES256', 'active', kidOf(old.ticket)]);
  expect(await published()).toEqual(expect.arrayContaining([kid, previous.kid]));
  expect(Date.parse(previous.removed_at) - Date.parse(previous.retires_at)).toBeGreaterThanOrEqual(310_000);

  const next = await mint({ instance: 'over-the-rotation' });
  expect(kidOf(next.ticket)).toBe(kid);
  for (const { ticket } of [old, next]) {
    const client = await connected('counter', 'over-the-rotation', { query: { ticket } });
    expect(await client.call('whoami')).toMatchObject({ role: 'admin' });
  }
});

it('a socket from before a rotation remains open', async () => {
  const { ticket } = await mint({ instance: 'goes-on' });
  const client = await connected('counter', 'goes-on', { query: { ticket } });
  await rotate({ activate: 'now' });
  expect(await client.call('increment')).toBe(1);
});

it('no ticket that is minted while keys rotate is refused', async () => {
  const instance = 'meanwhile';
  const wave = () => Promise.all(Array.from({ length: 5 }, () => mint({ instance })));
  const before = await wave();
  const [meanwhile] = await Promise.all([wave(), rotate({ activate: 'now' })]);
  const tickets = [...before, ...meanwhile, ...(await wave())];
  const frames = await Promise.all(tickets.map(({ url }) => nextFrame(openSocket(url).socket)));
  expect(frames).toHaveLength(15);
  for (const frame of frames) expect(frame).toContain('cf_agent_identity');
  expect(new Set(tickets.map(({ ticket }) => kidOf(ticket))).size).toBe(2);
});

it('the algorithm can be chosen at a rotation, and stays', async () => {
  expect(await rotate({ activate: 'now', alg: 'Ed25519' })).toMatchObject({ alg: 'Ed25519' });
  const { ticket } = await mint({ instance: 'curve' });
  const client = await connected('counter', 'curve', { query: { ticket } });
  expect(await client.call('increment')).toBe(1);
  expect(await rotate({ activate: 'now' })).toMatchObject({ alg: 'Ed25519' });
  expect(await rotate({ activate: 'now', alg: 'ES256' })).toMatchObject({ alg: 'ES256' });
});

it('the audit log has a rotation with its principal', async () => {
  const { kid, previous } = await rotate({ activate: 'now' });
  await eventually(async () => {
    const event = (await eventsOfType('key.rotated')).find((row) => row.kid === kid);
    expect(event).toMatchObject({ user_id: `token:${inject('stack').adminToken.id}`, outcome: 'success' });
    expect(event?.details).toContain(previous.kid);
  });
});

it('a scheduled rotation publishes the next key before it signs, and there is one at a time', async () => {
  const signing = await currentKid();
  const { kid, state, activates_at, previous } = await rotate({});
  expect([state, previous.kid]).toEqual(['pending', signing]);
  expect(Date.parse(activates_at)).toBeGreaterThan(Date.now() + 120_000);
  expect(await published()).toEqual(expect.arrayContaining([kid, signing]));
  expect(await currentKid()).toBe(signing);

  for (const body of [{}, { activate: 'scheduled' }, { activate: 'now' }]) {
    const again = await ask(body);
    expect(again.status).toBe(409);
    expect(await again.json()).toMatchObject({ error: { code: 'CONFLICT' } });
  }
});
