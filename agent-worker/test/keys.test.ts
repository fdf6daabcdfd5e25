import { env } from 'cloudflare:workers';
import { KEY_SET } from '@agent-ticket/shared/limits.ts';
import { makeSigner, type Signer } from '@agent-ticket/shared/test/tickets.ts';
import { describe, expect, test, vi } from 'vitest';
import { brokerKeys } from '../src/broker-keys.ts';
import { ANSWERS, broker, publishes } from './broker.ts';
import { gateConfig, gateWith } from './gate.ts';
import { objectIds } from './objects.ts';
import type { Front } from './openapi.ts';
import { ask, refusedSocket, upgrade, worker } from './sockets.ts';
import { makeTicket, newDay, nextSigner, signer, unknownSigner } from './tickets.ts';

/** The broker's keys, asked for over the service binding. */

const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);

/** A gate that has asked nothing yet. Its waits move the clock instead of taking time. */
const freshGate = (
  sleep = async (ms: number): Promise<void> => {
    pass(ms);
  },
): Front =>
  gateWith({
    findKey: brokerKeys(
      {
        fetchSet: (signal) => env.BROKER.fetch(gateConfig.jwksUrl, { signal }),
        clock: () => Date.now(),
        sleep,
      },
      KEY_SET.bindingCooldownMs,
    ),
  });

/** What becomes of a request with a new ticket of a key: it reaches the agent, or gets a status. */
async function tryKey(by: Signer, front: Front): Promise<'reached' | number> {
  const instance = 'keys';
  // Each of somebody else: the requests of one are limited together.
  const ticket = await makeTicket({ instance, sub: `token:${crypto.randomUUID()}` }, { by });
  const { status } = await ask(`/agents/counter/${instance}`, { ticket, front });
  // The counter has nothing to say to plain requests.
  return status === 404 ? 'reached' : status;
}

describe('the broker’s keys', () => {
  test('are asked for once, and again when a minute old', async () => {
    const front = freshGate();
    for (let n = 0; n < 3; n += 1) expect(await tryKey(signer, front)).toBe('reached');
    expect(broker.asked).toEqual(['http://127.0.0.1:8787/.well-known/jwks.json']);
    pass(KEY_SET.freshMs);
    await tryKey(signer, front);
    expect(broker.asked).toHaveLength(1);
    pass(1);
    await tryKey(signer, front);
    expect(broker.asked).toHaveLength(2);
  });

  test('are asked for anew when a ticket names one that is not known: rotation refuses nobody', async () => {
    broker.answer = publishes(signer);
    const front = freshGate();
    expect(await tryKey(signer, front)).toBe('reached');
    broker.answer = publishes(signer, nextSigner);
    pass(10);
    expect(await tryKey(nextSigner, front)).toBe('reached');
    expect(await tryKey(signer, front)).toBe('reached');
    expect(broker.asked).toHaveLength(2);
  });

  test('refuse a ticket of a key that was taken away, once the set is a minute old', async () => {
    const front = freshGate();
    expect(await tryKey(signer, front)).toBe('reached');
    broker.answer = publishes(nextSigner);
    pass(KEY_SET.freshMs + 1);
    expect(await tryKey(signer, front)).toBe(401);
    expect(await tryKey(nextSigner, front)).toBe('reached');
  });

  test('are not asked for more than once a second, whatever key ids callers invent', async () => {
    const front = freshGate();
    await tryKey(signer, front);
    const start = Date.now();
    for (let n = 0; n < 20; n += 1) {
      pass(7);
      expect(await tryKey(unknownSigner, front)).toBe(401);
    }
    const seconds = (Date.now() - start) / 1000;
    expect(broker.asked.length).toBeLessThanOrEqual(2 + seconds);
  });

  test('are asked for once by a hundred requests at once', async () => {
    const front = freshGate((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => tryKey(n % 2 === 0 ? signer : unknownSigner, front)),
    );
    expect(answers.filter((answer) => answer === 'reached')).toHaveLength(50);
    expect(answers.filter((answer) => answer === 401)).toHaveLength(50);
    expect(broker.asked).toHaveLength(1);
  });

  test('reach the worker as it ships, a new one with its first ticket', async () => {
    newDay();
    const third = await makeSigner('ES256');
    expect(await tryKey(signer, worker)).toBe('reached');
    pass(10);
    expect(await tryKey(unknownSigner, worker)).toBe(401);
    pass(2_000);
    broker.answer = publishes(signer, nextSigner, third);
    expect(await tryKey(third, worker)).toBe('reached');
    expect(broker.asked).toHaveLength(3);
  });
});

describe('a broker that cannot answer', () => {
  const BAD = ['failing', 'html', 'empty', 'huge'] as const;

  test.for(BAD)('(%s) before any key is known is "try again", not "sign in"', async (how) => {
    broker.answer = ANSWERS[how];
    const front = freshGate();
    const before = await objectIds();
    const ticket = await makeTicket({ instance: 'room-1' });
    const refused = await refusedSocket(await upgrade('/agents/counter/room-1', { ticket, front }));
    expect(refused).toMatchObject({ code: 1013, reason: 'unavailable', frames: [] });
    const answer = await ask('/agents/counter/room-1', { ticket, front });
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(await answer.json()).toMatchObject({ error: { code: 'UNAVAILABLE' } });
    expect(await objectIds()).toEqual(before);

    broker.answer = ANSWERS.healthy;
    pass(KEY_SET.bindingCooldownMs);
    expect(await tryKey(signer, front)).toBe('reached');
  });

  test.for(BAD)('(%s) takes no known key away until it is too old to trust', async (how) => {
    const front = freshGate();
    expect(await tryKey(signer, front)).toBe('reached');
    broker.answer = ANSWERS[how];
    const learned = Date.now();
    pass(KEY_SET.freshMs + 1);
    expect(await tryKey(signer, front)).toBe('reached');
    expect(await tryKey(unknownSigner, front)).toBe(503);
    vi.setSystemTime(learned + KEY_SET.staleMs);
    expect(await tryKey(nextSigner, front)).toBe('reached');
    vi.setSystemTime(learned + KEY_SET.staleMs + 1);
    expect(await tryKey(signer, front)).toBe(503);
  });

  test('in time holds up no request, and known keys go on', async () => {
    const front = freshGate();
    await tryKey(signer, front);
    broker.answer = ANSWERS.slow;
    pass(KEY_SET.freshMs + 1);
    expect(await tryKey(signer, front)).toBe('reached');
  });
});
