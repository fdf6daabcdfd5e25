import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { routeAgentEmail } from 'agents';
import { beforeEach, describe, expect, test } from 'vitest';
import { asWorker } from '../src/gate/worker-call.ts';
import { getTicketedAgent } from '../src/open-gate.ts';
import { AGENTS_URL, front, hooked, newSecond, reasons, receivedBy } from './callbacks.ts';
import { lock, recordRevocation } from './commands.ts';
import { eventsOf, expectEvents } from './record.ts';
import { makeTicket, newInstance } from './tickets.ts';

/** Calls of the worker's own code, which needs no ticket. */

beforeEach(() => void newSecond());

const at = (instance: string, path = '/notes?a=1'): string =>
  `${AGENTS_URL}/agents/hooked/${instance}${path}`;
const call = (
  instance: string,
  name: string,
  init: RequestInit<CfProperties> = { method: 'POST', body: 'x' },
) => front(asWorker(new Request(at(instance), init), name));

const SCOPE = ['agent:state:read', 'agent:message'];

describe('a call of the worker', () => {
  test('reaches the agent under its name, with the scopes of the registry', async () => {
    const instance = newInstance();
    const answer = await call(instance, 'nightly', {
      method: 'POST',
      body: 'words',
      headers: { 'content-type': 'text/plain', 'x-own': '1' },
    });
    expect([answer.status, await answer.text()]).toEqual([200, 'thanks']);
    const [seen] = await receivedBy(instance);
    expect(seen).toMatchObject({
      method: 'POST',
      path: 'notes?a=1',
      body: 'words',
      principal: { principal: 'worker:nightly', role: 'admin', tier: 'free', scope: SCOPE },
      headers: { 'content-type': 'text/plain' },
    });
    expect(seen?.headers).not.toHaveProperty('x-own');
    const [event] = await expectEvents(instance, ['worker.called']);
    expect(event).toMatchObject({ user_id: 'worker:nightly', session_id: null, jti: null });
  });

  test('takes nothing of the given request but method, URL, body and media type', async () => {
    const instance = newInstance();
    const ticket = await makeTicket({ agent: 'hooked', instance, scope: SCOPE.join(' ') });
    const made = asWorker(
      new Request(`${at(instance)}&ticket=${ticket}&_pk=x&callback_token=y`, {
        headers: {
          authorization: `Bearer ${ticket}`,
          cookie: 'session=1',
          upgrade: 'websocket',
          'x-agent-ticket-denial': 'agent_failed',
        },
        cf: { agentTicket: {}, agentTicketCall: {} },
      }),
      'reader',
    );
    expect([[...made.headers], made.cf]).toEqual([[], undefined]);
    expect((await front(made)).status).toBe(200);
    expect(await receivedBy(instance)).toMatchObject([
      { path: 'notes?a=1', principal: { principal: 'worker:reader', role: 'viewer' } },
    ]);
  });

  test.for<readonly [string, string, RequestInit | undefined, number, string]>([
    ['a name that the registry does not have', 'stranger', undefined, 403, 'worker_call_undeclared'],
    ['the name of a callback', 'token', undefined, 403, 'worker_call_undeclared'],
    ['a name in capitals', 'Nightly', undefined, 403, 'worker_call_undeclared'],
    ['no name', '', undefined, 403, 'worker_call_undeclared'],
    ['a name that may not write', 'reader', undefined, 403, 'worker_call_undeclared'],
    ['an unknown method', 'nightly', { method: 'PROPFIND' }, 405, 'method_not_allowed'],
  ])('under %s is refused', async ([, name, init, status, reason]) => {
    const instance = newInstance();
    const answer = await call(instance, name, init);
    expect([answer.status, reasons()]).toEqual([status, [reason]]);
    expect(await receivedBy(instance)).toEqual([]);
    expect(await eventsOf(instance)).toEqual([]);
  });

  test.for<readonly [string, (made: Request) => Request]>([
    ['a clone', (made) => made.clone()],
    ['a copy', (made) => new Request(made)],
    [
      'a copy with its name in a header',
      (made) => new Request(made, { headers: { 'x-agent-ticket-as': 'nightly' } }),
    ],
    [
      'a copy with a call in its cf',
      (made) => new Request(made, { cf: { agentTicketCall: { principal: 'worker:x' } } }),
    ],
  ])('is no call as %s of its request', async ([, copy]) => {
    const instance = newInstance();
    const made = asWorker(new Request(at(instance), { method: 'POST', body: 'x' }), 'nightly');
    expect([(await front(copy(made))).status, reasons()]).toEqual([401, ['ticket_missing']]);
  });

  test('reaches no sub-agent and no other spelling of its instance', async () => {
    const instance = newInstance();
    for (const path of [`${instance}/sub/hooked/x`, instance.replace('r', '%72')])
      expect(
        (await front(asWorker(new Request(`${AGENTS_URL}/agents/hooked/${path}`), 'reader'))).status,
      ).toBeGreaterThanOrEqual(400);
    expect(await receivedBy(instance)).toEqual([]);
  });

  test.for<readonly [string, (instance: string) => string]>([
    ['its instance', (instance) => `instance:hooked/${instance}`],
    ['its name', () => 'principal:worker:nightly'],
  ])('is refused by a lock on %s', async ([, target]) => {
    const instance = newInstance();
    await recordRevocation(lock(target(instance)));
    expect([(await call(instance, 'nightly')).status, reasons()]).toEqual([403, ['locked']]);
    await recordRevocation(lock(target(instance), { rev: lock('x').rev + 1, until: 1 }));
    expect((await call(instance, 'nightly')).status).toBe(200);
  });
});

describe('an agent for the worker’s own code', () => {
  test.for([
    ['/notes?a=1', 'notes?a=1'],
    ['https://anything.test/notes', 'notes'],
    ['/', ''],
  ])('is asked at %s below its instance', async ([path = '', seen]) => {
    const instance = newInstance();
    const agent = getTicketedAgent(env.HOOKED, instance, { as: 'nightly' });
    expect((await agent.fetch(path, { method: 'POST', body: 'x' })).status).toBe(200);
    expect((await agent.fetch(new Request(new URL(path, AGENTS_URL)))).status).toBe(200);
    expect(await receivedBy(instance)).toMatchObject([
      { method: 'POST', path: seen, body: 'x', principal: { principal: 'worker:nightly' } },
      { method: 'GET', path: seen },
    ]);
    await expectEvents(instance, ['worker.called', 'worker.called']);
  });

  test('is there for agents of the gate only, under names that instances have', async () => {
    expect(() => getTicketedAgent(env.FAULTY, 'room-1', { as: 'nightly' })).toThrow(TypeError);
    for (const name of ['', 'a/b', '../x', 'sub', 'ä'])
      expect(() => getTicketedAgent(env.HOOKED, name, { as: 'nightly' })).toThrow(TypeError);
    const instance = newInstance();
    const agent = getTicketedAgent(env.HOOKED, instance, { as: 'stranger' });
    expect((await agent.fetch('/x')).status).toBe(403);
    expect(await receivedBy(instance)).toEqual([]);
  });

  test('never reaches another instance by its path', async () => {
    const [instance, other] = [newInstance(), newInstance()];
    const agent = getTicketedAgent(env.HOOKED, instance, { as: 'nightly' });
    await agent.fetch(`/../${other}/x`);
    await agent.fetch(`/%2e%2e/${other}/x`);
    expect(await receivedBy(other)).toEqual([]);
    expect(await receivedBy(instance)).toHaveLength(2);
  });
});

describe('without a request of the gate', () => {
  test('a mail that is routed to an agent reaches it', async () => {
    const instance = newInstance();
    const words = new TextEncoder().encode('Subject: hello\r\n\r\nwords');
    const mail = {
      from: 'ann@example.com',
      to: 'room@agents.test',
      headers: new Headers({ subject: 'hello' }),
      raw: new Blob([words]).stream(),
      rawSize: words.length,
      canBeForwarded: false,
      setReject: () => {},
      forward: async () => ({ messageId: '' }),
      reply: async () => ({ messageId: '' }),
    };
    await routeAgentEmail(mail, env, { resolver: async () => ({ agentName: 'HOOKED', agentId: instance }) });
    expect(await runInDurableObject(hooked(instance), (agent) => agent.mails)).toEqual(['ann@example.com']);
  });

  test('a schedule of an agent runs, and can make URLs', async () => {
    const instance = newInstance();
    await runInDurableObject(hooked(instance), async (agent) => {
      await agent.schedule(new Date(Date.now() - 1_000), 'makeUrl', 'token');
      await agent.alarm();
    });
    expect(await runInDurableObject(hooked(instance), (agent) => agent.urls)).toHaveLength(1);
  });
});
