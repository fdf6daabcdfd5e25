import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { decodeHeader, post } from './broker.ts';
import { type NodeStack, startNodeStack } from './node-broker.ts';
import { connected, nextFrame, openSocket, watchToClose } from './sockets.ts';

/** The stock client, an agent worker, and a broker on Node, which communicate over HTTP only. The tests build on each other. */

let stack: NodeStack;
beforeAll(async () => {
  stack = await startNodeStack();
});
afterAll(() => stack?.close());

interface CounterState {
  count: number;
}

const Minted = z.looseObject({ ticket: z.string(), url: z.url(), protocols: z.array(z.string()) });
const Rotated = z.looseObject({ kid: z.string(), previous: z.looseObject({ kid: z.string() }) });

const Lock = z.looseObject({ id: z.uuid(), receipt: z.looseObject({ closed: z.int() }) });
const KeySet = z.object({ keys: z.array(z.looseObject({ kid: z.string() })) });

const published = async () =>
  KeySet.parse(await (await fetch(`${stack.broker}/.well-known/jwks.json`)).json()).keys;

const as = (who: 'serviceToken' | 'adminToken') => {
  const { clientId, clientSecret } = stack.secrets[who];
  return { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` };
};

async function mint(instance: string) {
  const answer = await post(`${stack.broker}/tickets`, as('serviceToken'), { agent: 'counter', instance });
  return Minted.parse(await answer.json());
}

const rotate = async () =>
  Rotated.parse(
    await (await post(`${stack.broker}/admin/keys/rotate`, as('adminToken'), { activate: 'now' })).json(),
  );

const clientOf = (instance: string) =>
  connected<CounterState>('counter', instance, {
    host: stack.agentWorker,
    protocols: async () => (await mint(instance)).protocols,
  });

describe('with a broker on Node', () => {
  it('tickets of both keys of a rotation open sockets at a gate that fetches the keys over HTTP', async () => {
    const old = await mint('rotated');
    const { kid, previous } = await rotate();
    const next = await mint('rotated');
    expect([old, next].map(({ ticket }) => decodeHeader(ticket).kid)).toEqual([previous.kid, kid]);
    for (const { url } of [next, old]) {
      expect(await nextFrame(openSocket(url).socket)).toContain('cf_agent_identity');
    }
  });

  it('the stock client connects, calls and shares state', async () => {
    const [one, other] = await Promise.all([clientOf('shared'), clientOf('shared')]);
    expect(await one.call('increment')).toBe(1);
    expect(await one.call('whoami')).toMatchObject({ role: 'admin' });
    await eventually(() => expect(other.state).toEqual({ count: 1 }));
  });

  it('a ticket opens one socket', async () => {
    const { url } = await mint('once');
    expect(await nextFrame(openSocket(url).socket)).toContain('cf_agent_identity');
    expect(await watchToClose(url)).toMatchObject({ frames: [], code: 3000, reason: 'ticket_used' });
  });

  it('sockets remain and tickets open new ones while the broker is down, and it has its keys afterwards', async () => {
    const client = await clientOf('broker-down');
    const { url } = await mint('broker-down');
    const before = await published();
    await stack.whileDown(async () => {
      expect(await client.call('increment')).toBe(1);
      expect(await nextFrame(openSocket(url).socket)).toContain('cf_agent_identity');
    });
    expect(await published()).toEqual(before);
  });

  it('a lock closes the sockets of a principal, with a receipt, and no ticket is minted while it exists', async () => {
    const { socket, closed } = openSocket((await mint('locked')).url);
    await nextFrame(socket);
    await eventually(async () => expect(await stack.countRecorded('locked')).toBe(1));
    const target = { kind: 'principal', id: `token:${stack.secrets.serviceToken.id}` };
    const locked = await post(`${stack.broker}/admin/locks`, as('adminToken'), { target, reason: 'test' });
    expect(locked.status).toBe(201);
    const { id, receipt } = Lock.parse(await locked.json());
    expect(receipt.closed).toBeGreaterThan(0);
    expect(await closed).toMatchObject({ code: 4003, reason: 'forbidden' });
    const refused = await post(`${stack.broker}/tickets`, as('serviceToken'), { agent: 'counter' });
    expect(refused.status).toBe(403);
    const lifted = await fetch(`${stack.broker}/admin/locks/${id}`, {
      method: 'DELETE',
      headers: as('adminToken'),
    });
    expect(lifted.ok).toBe(true);
    expect(decodeHeader((await mint('locked')).ticket).typ).toBe('agent-ticket+jwt');
  });

  it('a key that signs at once is taken or asks clients to come again, and is no end of a socket', async () => {
    const client = await clientOf('goes-on');
    const { url: old } = await mint('goes-on');
    for (let times = 0; times < 2; times += 1) {
      await rotate();
      // The first frame of the client closes the socket with 1000.
      const { code } = await watchToClose((await mint('goes-on')).url);
      expect([1000, 1013]).toContain(code);
    }
    expect(await nextFrame(openSocket(old).socket)).toContain('cf_agent_identity');
    expect(await client.call('increment')).toBe(1);
  });
});
