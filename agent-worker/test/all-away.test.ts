import { runDurableObjectAlarm } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { KEY_SET } from '@agent-ticket/shared/limits.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { brokerKeys } from '../src/broker-keys.ts';
import { ANSWERS, broker } from './broker.ts';
import { gateConfig, gateWith } from './gate.ts';
import { counter } from './objects.ts';
import type { Front } from './openapi.ts';
import { ask, connect } from './sockets.ts';
import { makeTicket, NOW, newInstance, rights } from './tickets.ts';

/**
 * The broker and the record database are away at once; the control database is never asked here. Open sockets go on to
 * their end, and an isolate that has the keys admits tickets which were minted before.
 */

/** Every table that sessions are written to. A read of a missing table would be a bug and no outage. */
const TABLES = ['audit_events', 'agent_sessions', 'agent_invocations'];
const LIFE = 300;

/** A gate that has asked for no keys yet. Its waits move the clock instead of taking time. */
const isolate = (): Front =>
  gateWith({
    findKey: brokerKeys(
      {
        fetchSet: (signal) => env.BROKER.fetch(gateConfig.jwksUrl, { signal }),
        clock: () => Date.now(),
        sleep: async (ms) => {
          vi.setSystemTime(Date.now() + ms);
        },
      },
      KEY_SET.bindingCooldownMs,
    ),
  });

const rename = async (from: string, to: string) => {
  for (const table of TABLES) await env.RECORD.exec(`ALTER TABLE ${table}${from} RENAME TO ${table}${to}`);
};
const ticketFor = (instance: string) =>
  makeTicket({ instance, ...rights('counter', 'owner'), session_expiry: NOW + LIFE });
const enter = async (instance: string, ticket: string, front: Front) => {
  const socket = await connect(`/agents/counter/${instance}`, { ticket, front });
  await socket.frame('cf_agent_state');
  return socket;
};

describe('while the broker and the record database are away together', () => {
  let isAway = false;
  beforeEach(() => {
    isAway = false;
  });
  afterEach(async () => {
    if (isAway) await rename('_away', '');
  });
  const lose = async () => {
    broker.answer = ANSWERS.failing;
    await rename('', '_away');
    isAway = true;
  };

  test('an open socket goes on to the end of its session, and ends then', async () => {
    const [instance, front] = [newInstance(), isolate()];
    const socket = await enter(instance, await ticketFor(instance), front);
    await lose();
    expect(await socket.call('increment')).toMatchObject({ success: true });
    vi.setSystemTime((NOW + LIFE) * 1000 - 1);
    expect(await socket.call('increment')).toMatchObject({ success: true, result: 2 });
    vi.setSystemTime((NOW + LIFE) * 1000 + 2_000);
    await runDurableObjectAlarm(counter(instance));
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'session_expired' });
  });

  test('an isolate with keys admits a ticket that was minted before, also when the keys are due', async () => {
    const [instance, front] = [newInstance(), isolate()];
    await enter(instance, await ticketFor(instance), front);
    const [socketTicket, due] = [await ticketFor(instance), await ticketFor(instance)];
    const plain = await makeTicket({ instance, ...rights('counter', 'owner'), transport: 'http' });
    await lose();
    const socket = await enter(instance, socketTicket, front);
    expect(await socket.call('whoami')).toMatchObject({ success: true });
    // The counter has nothing to say to plain requests.
    expect((await ask(`/agents/counter/${instance}`, { ticket: plain, front })).status).toBe(404);
    vi.setSystemTime(NOW * 1000 + KEY_SET.freshMs + 1);
    const later = await enter(instance, due, front);
    expect(await later.call('whoami')).toMatchObject({ success: true });
  });

  test('an isolate without keys asks the client to come back, and uses up no ticket', async () => {
    const instance = newInstance();
    const ticket = await ticketFor(instance);
    await lose();
    const socket = await connect(`/agents/counter/${instance}`, { ticket, front: isolate() });
    expect(await socket.closed()).toEqual({ code: 1013, reason: 'unavailable' });
    broker.answer = ANSWERS.healthy;
    expect(await (await enter(instance, ticket, isolate())).call('whoami')).toMatchObject({ success: true });
  });
});
