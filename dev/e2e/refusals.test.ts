import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { kidOf, mint } from './broker.ts';
import { signByBroker, signByUnknownKey, ticketClaims } from './signed-by-hand.ts';
import { connect, connected, socketUrl, watchToClose } from './sockets.ts';
import { objectId, objectsOf } from './stack-queries.ts';
import { askForStatus, pageRequest } from './upgrade.ts';

interface Refusal {
  /** Makes the ticket that is shown at `counter/<instance>`. */
  readonly ticket: (instance: string) => Promise<string>;
  readonly close: readonly [code: number, reason: string];
  readonly http: readonly [status: number, code: string];
}

const unauthorized = { close: [4001, 'unauthorized'], http: [401, 'UNAUTHORIZED'] } as const;
const forbidden = { close: [4003, 'forbidden'], http: [403, 'FORBIDDEN'] } as const;

const valid = async (instance: string): Promise<string> => (await mint({ instance })).ticket;

/** One segment of a valid ticket replaced. */
async function replaced(
  instance: string,
  index: number,
  change: (segment: string) => string,
): Promise<string> {
  const segments = (await valid(instance)).split('.');
  return segments.map((segment, i) => (i === index ? change(segment) : segment)).join('.');
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const flipFirst = (segment: string): string => (segment.startsWith('A') ? 'B' : 'A') + segment.slice(1);

const REFUSALS: Readonly<Record<string, Refusal>> = {
  'no ticket at all': { ticket: async () => '', ...unauthorized },
  'something that is no ticket': { ticket: async () => 'let-me-in', ...unauthorized },
  'a ticket for another agent': {
    ticket: async () => (await mint({ agent: 'lobby', instance: 'main' })).ticket,
    ...forbidden,
  },
  'a ticket for another instance': { ticket: (instance) => valid(`not-${instance}`), ...forbidden },
  'a ticket that ended half a minute ago': {
    ticket: (instance) => signByBroker(ticketClaims(instance, 90)),
    close: [3000, 'ticket_expired'],
    http: [401, 'TOKEN_EXPIRED'],
  },
  'a ticket that ended long ago': {
    ticket: (instance) => signByBroker(ticketClaims(instance, 3600)),
    close: [4001, 'unauthorized'],
    http: [401, 'TOKEN_EXPIRED'],
  },
  'a ticket from the future': {
    ticket: (instance) => signByBroker(ticketClaims(instance, -60)),
    close: [1013, 'unavailable'],
    http: [503, 'UNAVAILABLE'],
  },
  'a ticket of another broker': {
    ticket: (instance) => signByBroker({ ...ticketClaims(instance), iss: 'https://broker.example' }),
    ...unauthorized,
  },
  'a ticket for another agent worker': {
    ticket: (instance) => signByBroker({ ...ticketClaims(instance), aud: 'agents.example' }),
    ...unauthorized,
  },
  'a ticket with a claim that nobody agreed on': {
    ticket: (instance) => signByBroker({ ...ticketClaims(instance), cnf: { jkt: 'x' } }),
    ...unauthorized,
  },
  'a ticket signed by another key': {
    ticket: (instance) => signByUnknownKey(ticketClaims(instance)),
    ...unauthorized,
  },
  'a ticket signed by another key under the name of the right one': {
    ticket: async (instance) => signByUnknownKey(ticketClaims(instance), kidOf(await valid(instance))),
    ...unauthorized,
  },
  'a ticket without a signature': {
    ticket: async (instance) => {
      const kid = kidOf(await valid(instance));
      return `${encode({ alg: 'none', typ: 'agent-ticket+jwt', kid })}.${encode(ticketClaims(instance))}.`;
    },
    ...unauthorized,
  },
  'a ticket with another payload': {
    ticket: (instance) => replaced(instance, 1, () => encode(ticketClaims(instance))),
    ...unauthorized,
  },
  'a ticket with a spoiled signature': {
    ticket: (instance) => replaced(instance, 2, flipFirst),
    ...unauthorized,
  },
  'a ticket with padding': { ticket: (instance) => replaced(instance, 2, (s) => `${s}==`), ...unauthorized },
};

it.each(Object.entries(REFUSALS))('%s reaches no agent', async (name, { ticket, close, http }) => {
  const instance = createHash('sha256').update(name).digest('hex');
  const shown = await ticket(instance);
  const objectsBefore = await objectsOf('COUNTER');
  const [code, reason] = close;
  const bare = socketUrl('counter', instance);

  const inQuery = await watchToClose(shown === '' ? bare : socketUrl('counter', instance, { ticket: shown }));
  expect(inQuery).toEqual({ frames: [], code, reason, protocol: '' });

  const marker = 'agent-ticket.v1';
  // A subprotocol has no `=` (RFC 9110 §5.6.2), so that spelling cannot even be sent.
  const protocols = shown === '' || shown.includes('=') ? [marker] : [marker, shown];
  const offered = await watchToClose(bare, { protocols });
  expect(offered).toMatchObject({ frames: [], protocol: marker });
  if (protocols.length === 2) expect(offered).toMatchObject({ code, reason });

  const authorization = { authorization: `Bearer ${shown}` };
  expect(await askForStatus(bare, authorization)).toEqual(http);
  expect(await pageRequest(bare, { headers: authorization })).toMatchObject({
    status: http[0],
    code: http[1],
  });

  expect(await objectsOf('COUNTER')).toEqual(objectsBefore);
  expect(objectsBefore).not.toContain(await objectId('COUNTER', instance));
});

it('a valid ticket creates the object, which proves that the list of objects works', async () => {
  const instance = 'made-by-a-ticket';
  const id = await objectId('COUNTER', instance);
  expect(await objectsOf('COUNTER')).not.toContain(id);
  await connected('counter', instance, { query: { ticket: await valid(instance) } });
  expect(await objectsOf('COUNTER')).toContain(id);
});

it.each([
  ['an unknown agent', 'no-such-agent', 'main', 4004, 'not_found', 404],
  ['an instance that its agent does not have', 'lobby', 'attic', 4004, 'not_found', 404],
  ['a sub-agent', 'counter', 'main/sub/counter/child', 4004, 'not_found', 404],
  ['an instance with a name that cannot be', 'counter', 'a%20b', 4000, 'bad_request', 400],
])('%s answers the same with and without a ticket', async (_name, agent, instance, code, reason, status) => {
  const { ticket } = await mint({ instance: 'main' });
  for (const query of [{}, { ticket }]) {
    const seen = await watchToClose(socketUrl(agent, instance, query));
    expect(seen).toMatchObject({ frames: [], code, reason });
  }
  const headers = { authorization: `Bearer ${ticket}` };
  expect(await pageRequest(socketUrl(agent, instance), { headers })).toMatchObject({ status });
});

it('two tickets on one upgrade are refused, even when both are good', async () => {
  const instance = 'twice';
  const [first, second] = [await valid(instance), await valid(instance)];
  const url = socketUrl('counter', instance, { ticket: first });
  const both = { frames: [], code: 4000, reason: 'bad_request' };
  expect(await watchToClose(url, { protocols: ['agent-ticket.v1', second] })).toMatchObject(both);
  expect(await watchToClose(url, { headers: { authorization: `Bearer ${second}` } })).toMatchObject(both);
  expect(await watchToClose(`${url}&ticket=${second}`)).toMatchObject(both);
  await connected('counter', instance, { query: { ticket: first } });
});

it('a ticket for HTTP opens no socket', async () => {
  const { url } = await mint({ instance: 'for-http', transport: 'http' });
  expect(await watchToClose(url)).toMatchObject({ frames: [], code: 4003, reason: 'forbidden' });
});

it('a ticket in the address of a plain request does not count', async () => {
  const url = socketUrl('counter', 'address', { ticket: await valid('address') });
  expect(await pageRequest(url)).toMatchObject({ status: 401, code: 'UNAUTHORIZED' });
});

it('the answer to a refused request has the remedy and must not be cached', async () => {
  const answer = await pageRequest(socketUrl('counter', 'main'));
  expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="agents"');
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.body).toEqual({
    error: {
      code: 'UNAUTHORIZED',
      message: 'a valid credential is needed',
      request_id: answer.headers.get('x-request-id'),
    },
  });
  const wrongMethod = await pageRequest(socketUrl('counter', 'main'), { method: 'PROPFIND' });
  expect(wrongMethod).toMatchObject({ status: 405, code: 'METHOD_NOT_ALLOWED' });
  expect(wrongMethod.headers.get('allow')).toBe('GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
});

it.each([
  ['without a ticket', 'counter', 'patient', {}, 4001, 'unauthorized'],
  ['at an unknown agent', 'no-such-agent', 'main', {}, 4004, 'not_found'],
  ['at a name that cannot be', 'counter', 'a.b', {}, 4000, 'bad_request'],
])('the stock client gives up for good %s', async (_name, agent, instance, query, code, reason) => {
  let tries = 0;
  const frames: unknown[] = [];
  const error = await new Promise((resolve) => {
    const client = connect(agent, instance, {
      query: async () => {
        tries += 1;
        return query;
      },
      onConnectionError: resolve,
    });
    client.addEventListener('message', ({ data }) => frames.push(data));
  });
  expect(error).toMatchObject({ name: 'AgentConnectionError', code, reason });
  expect([tries, frames]).toEqual([1, []]);
});

it('the stock client gives up for good with a ticket for another instance', async () => {
  const { protocols } = await mint({ instance: 'mine' });
  const error = await new Promise((resolve) => {
    connect('counter', 'yours', { protocols: [...protocols], onConnectionError: resolve });
  });
  expect(error).toMatchObject({ code: 4003, reason: 'forbidden' });
});
