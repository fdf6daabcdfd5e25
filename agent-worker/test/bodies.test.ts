import { describe, expect, test, vi } from 'vitest';
import { lock, revokedBefore } from './commands.ts';
import { entryOf, gate, gateWith } from './gate.ts';
import { objectIds, receivedBy, witness } from './objects.ts';
import { HOST } from './sockets.ts';
import { makeTicket, NOW, newInstance } from './tickets.ts';
import { printed } from './watch.ts';

/** Bodies of plain requests: how much of one is read, and what becomes of one that does not arrive. */

const MIB = 1024 * 1024;
const SCOPE = 'agent:connect agent:state:read agent:message';

const ENTRY = entryOf('witness');
const small = gateWith({ registry: [{ ...ENTRY, limits: { ...ENTRY.limits, bodyBytes: 1000 } }] });

/** A body in parts of up to 64 KiB, read only as far as somebody asks; how much that was, and whether it was given up. */
function bodyOf(bytes: number, breaksAt = Number.POSITIVE_INFINITY) {
  const state = { read: 0, cancelled: false };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (state.read >= breaksAt) return controller.error(new Error('Network connection lost.'));
        const part = Math.min(bytes - state.read, 65_536);
        state.read += part;
        if (part > 0) controller.enqueue(new Uint8Array(part));
        else controller.close();
      },
      cancel() {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { state, stream };
}

const send = (
  method: string,
  path: string,
  body: ReadableStream | string,
  headers: Record<string, string>,
  front = gate,
) => front(new Request(`${HOST}${path}`, { method, body, headers }));
const post = (path: string, body: ReadableStream | string, headers: Record<string, string>, front = gate) =>
  send('POST', path, body, headers, front);

async function authorized(instance: string): Promise<Record<string, string>> {
  const ticket = await makeTicket({ instance, agent: 'witness', scope: SCOPE });
  return { authorization: `Bearer ${ticket}` };
}

describe('a body', () => {
  test.for([
    ['of the limit', 1000, small, 200],
    ['above it', 1001, small, 413],
    ['of the default limit', 4 * MIB, gate, 200],
    ['above that', 4 * MIB + 1, gate, 413],
    ['of any length above it', 120 * MIB, gate, 413],
  ] as const)('%s, of no declared length, is counted while it passes', async ([, bytes, front, status]) => {
    const instance = newInstance();
    const { state, stream } = bodyOf(bytes);
    const headers = await authorized(instance);
    const answer = await post(`/agents/witness/${instance}/body`, stream, headers, front);
    expect(answer.status).toBe(status);
    if (status === 200) expect(await answer.json()).toEqual({ length: bytes });
    else expect(await answer.json()).toMatchObject({ error: { code: 'PAYLOAD_TOO_LARGE' } });
    expect(state.read).toBeLessThanOrEqual(4 * MIB + 65_536);
  });

  test.for(['POST', 'PUT', 'PATCH', 'DELETE'])('of a %s is held to the limit', async (method) => {
    const instance = newInstance();
    const headers = await authorized(instance);
    const path = `/agents/witness/${instance}/body`;
    const statuses = [1000, 1001].map(
      async (bytes) => (await send(method, path, bodyOf(bytes).stream, headers, small)).status,
    );
    expect(await Promise.all(statuses)).toEqual([200, 413]);
    const declared = { ...headers, 'content-length': '1001' };
    const { state, stream } = bodyOf(1001);
    expect((await send(method, path, stream, declared, small)).status).toBe(413);
    expect(state.read).toBe(0);
  });

  test('whose declared length is above the limit is not read, and makes no object', async () => {
    const instance = newInstance();
    const before = await objectIds();
    const { state, stream } = bodyOf(1001);
    const headers = { ...(await authorized(instance)), 'content-length': '1001' };
    expect((await post(`/agents/witness/${instance}/body`, stream, headers, small)).status).toBe(413);
    expect(state.read).toBe(0);
    expect(await objectIds()).toEqual(before);
  });

  test.for([
    ['of an unknown agent', '/agents/nobody/x', {}, 404],
    ['without a ticket', '/agents/witness/x', {}, 401],
    ['of a foreign page', '/agents/witness/x', { origin: 'https://evil.test' }, 403],
  ] as const)('%s is not read', async ([, path, headers, status]) => {
    const { state, stream } = bodyOf(120 * MIB);
    expect((await post(path, stream, headers)).status).toBe(status);
    expect(state.read).toBe(0);
  });

  test.for([
    ['broken off', 65_536],
    ['broken before its first byte', 0],
  ] as const)('%s is its caller’s mistake, and no outage', async ([, breaksAt]) => {
    const instance = newInstance();
    const logged: Readonly<Record<string, unknown>>[] = [];
    const front = gateWith({ log: (line) => logged.push(line) });
    const { stream } = bodyOf(2 * 65_536, breaksAt);
    const answer = await post(`/agents/witness/${instance}/body`, stream, await authorized(instance), front);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { code: 'BAD_REQUEST' } });
    expect(logged.map(({ event, reason }) => [event, reason])).toEqual([['gate_refused', 'body_incomplete']]);
    expect(printed.join()).not.toContain('outage');
    expect(await receivedBy(instance)).toEqual([]);
  });

  test('that comes too slowly is refused, and reaches no agent', async () => {
    const instance = newInstance();
    const front = gateWith({ sleep: async () => {} });
    const stream = new ReadableStream<Uint8Array>({ pull: () => new Promise(() => {}) });
    const answer = await post(`/agents/witness/${instance}/body`, stream, await authorized(instance), front);
    expect(answer.status).toBe(400);
    expect(await receivedBy(instance)).toEqual([]);
  });

  test('that ends after the rights of its request is refused, and reaches no agent', async () => {
    const instance = newInstance();
    const headers = await authorized(instance);
    const stream = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await revokedBefore(lock(`instance:witness/${instance}`));
        controller.close();
      },
    });
    expect((await post(`/agents/witness/${instance}/body`, stream, headers)).status).toBe(403);
    expect(await receivedBy(instance)).toEqual([]);
  });

  test('that ends after its ticket is refused, and reaches no agent', async () => {
    const instance = newInstance();
    const headers = await authorized(instance);
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        // The object looks at the end once more, by its own clock.
        vi.setSystemTime((NOW + 120) * 1000);
        controller.close();
      },
    });
    expect((await post(`/agents/witness/${instance}/body`, stream, headers)).status).toBe(401);
    expect(await receivedBy(instance)).toEqual([]);
  });

  test.for(['0', '5'])('of a GET, of length %s, has no meaning and does no harm', async (length) => {
    const instance = newInstance();
    const logged: unknown[] = [];
    const front = gateWith({ log: ({ event }) => logged.push(event) });
    const headers = { ...(await authorized(instance)), 'content-length': length };
    const request = new Request(`${HOST}/agents/witness/${instance}`, { headers });
    // As the server hands it over: the constructor would not make such a request.
    Object.defineProperty(request, 'body', { value: new Blob(['x'.repeat(Number(length))]).stream() });
    expect((await front(request)).status).toBe(200);
    expect(logged).toEqual(['auth_success']);
  });

  test('that the agent does not read is no matter', async () => {
    const instance = newInstance();
    const { stream } = bodyOf(65_536);
    const answer = await post(`/agents/witness/${instance}`, stream, await authorized(instance));
    expect(answer.status).toBe(200);
  });
});

test('an answer that takes so long that its rights end meanwhile is for nobody', async () => {
  const instance = newInstance();
  const headers = await authorized(instance);
  const front = gateWith({
    destination: () => ({
      async fetch(request) {
        const answer = await witness(instance).fetch(request);
        await revokedBefore(lock(`instance:witness/${instance}`));
        return answer;
      },
    }),
  });
  expect((await post(`/agents/witness/${instance}/body`, 'x', headers, front)).status).toBe(403);
});
