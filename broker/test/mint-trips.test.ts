import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { assertion, serveCerts } from './access.ts';
import { startBroker } from './broker.ts';
import { type CallInit, COUNTER, call, LOBBY, mint, newInstance, refusal, ticketOf } from './call.ts';
import { setClock } from './clock.ts';
import { type Trip, watched } from './databases.ts';
import { rotate } from './keys.ts';
import { delivered, eventsWith } from './record.ts';
import { grant, makeToken, newSecret, pair, type ServiceToken } from './tokens.ts';

/** A broker whose questions to the policy database are written down, each sent when the test lets it go. */
async function startWatched() {
  const trips: Trip[] = [];
  const gates: (() => void)[] = [];
  let isHeld = false;
  const control = watched(env.CONTROL, async (trip) => {
    trips.push(trip);
    if (isHeld) await new Promise<void>((resolve) => gates.push(resolve));
  });
  const broker = startBroker({ control });
  // A first key, opened and held, as an isolate has it after its first request.
  ticketOf(await mint((await makeToken()).pair, COUNTER, broker));
  await broker.settled();
  trips.length = 0;
  return {
    ...broker,
    trips,
    hold(): void {
      isHeld = true;
    },
    release(): void {
      isHeld = false;
      for (const go of gates.splice(0)) go();
    },
  };
}

/** What is noted beside the answer: a use, a sight. */
const BESIDE = /^(update "service_tokens"|insert into "principals")/;
const onTheWay = (trips: readonly Trip[]): readonly Trip[] =>
  trips.filter(({ statements }) => !statements.every((sql) => BESIDE.test(sql)));

const shape = ({ how, statements }: Trip): string =>
  `${how}: ${statements.map((sql) => sql.slice(0, sql.indexOf(' '))).join()}`;
const ONE_READ = ['batch: select,select,select'];

type Headers = Readonly<Record<string, string>>;
type Present = (token: ServiceToken) => Headers | undefined;

const byForm = ({ clientId, secret }: { clientId: string; secret: string }): CallInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: secret,
    resource: 'https://agents.test/agents/counter/default',
  }).toString(),
});

describe('a request for a ticket asks the policy database', () => {
  it.each<[string, Present, object, number]>([
    ['by a service token', (token) => token.pair, COUNTER, 201],
    ['by a service token that is refused', (token) => token.pair, { agent: 'nobody' }, 404],
    ['by a wrong secret', ({ id }) => pair(id, newSecret(id)), COUNTER, 401],
    ['without a credential', () => undefined, LOBBY, 201],
  ])('once, in one batch that writes nothing: %s', async (_what, present, request, status) => {
    const { front, trips, settled } = await startWatched();
    const reply = await mint(present(await makeToken()), request, { front });
    expect(reply.status).toBe(status);
    await settled();
    expect(onTheWay(trips).map(shape)).toEqual(ONE_READ);
  });

  it.each<[string, Present, string[]]>([
    ['once', () => undefined, ONE_READ],
    ['once more, for its tier, by a service token', (token) => token.pair, [...ONE_READ, ...ONE_READ]],
  ])('for a whole batch %s', async (_how, present, shapes) => {
    const { front, trips, settled } = await startWatched();
    serveCerts();
    const headers = present(await makeToken()) ?? (await assertion());
    const requests = Array.from({ length: 20 }, () => ({ ...COUNTER, instance: newInstance() }));
    const reply = await call('/tickets/batch', { headers, json: { requests }, front });
    expect(reply.status).toBe(200);
    await settled();
    expect(onTheWay(trips).map(shape)).toEqual(shapes);
  });

  it('once where the ticket is asked for by OAuth', async () => {
    const { front, trips, settled } = await startWatched();
    expect((await call('/token', { ...byForm(await makeToken()), front })).status).toBe(200);
    await settled();
    expect(onTheWay(trips).map(shape)).toEqual(ONE_READ);
  });

  it('once however long ago the keys were read', async () => {
    const { front, trips, settled } = await startWatched();
    setClock(3_600);
    ticketOf(await mint((await makeToken()).pair, COUNTER, { front }));
    await settled();
    expect(onTheWay(trips).map(shape)).toEqual(ONE_READ);
  });

  it('again after a rotation, once: for the keys, and with the new one', async () => {
    const { front, trips, settled } = await startWatched();
    const token = await makeToken();
    await rotate(startBroker().front, { activate: 'now' });
    ticketOf(await mint(token.pair, COUNTER, { front }));
    expect(onTheWay(trips).map(shape)).toEqual([...ONE_READ, 'alone: select', ...ONE_READ]);
    trips.length = 0;
    ticketOf(await mint(token.pair, COUNTER, { front }));
    await settled();
    expect(onTheWay(trips).map(shape)).toEqual(ONE_READ);
  });

  it('and a call of a person asks once for sign-outs and locks', async () => {
    serveCerts();
    const headers = await assertion();
    const { front, trips } = await startWatched();
    expect((await call('/sessions', { headers, front })).status).toBe(200);
    expect(trips.map(shape)).toEqual(['batch: select,select']);
  });

  it('and writes nothing before the answer but the claim of a first user', async () => {
    serveCerts();
    const headers = await assertion();
    const { front, trips, settled } = await startWatched();
    await call('/me', { headers, front });
    trips.length = 0;
    const request = { agent: 'chat', instance: newInstance() };
    expect((await mint(headers, request, { front })).status).toBe(201);
    const [read, claim] = trips;
    expect([read, claim].map((trip) => trip && shape(trip))).toEqual([...ONE_READ, 'batch: insert,insert']);
    expect(claim?.statements[0]).toContain('"grants"');
    await settled();
    trips.length = 0;
    expect((await mint(headers, request, { front })).status).toBe(201);
    expect(trips.map(shape)).toEqual(ONE_READ);
  });

  it('to note a use at most each ten minutes, and not at all in between', async () => {
    const { front, trips, settled } = await startWatched();
    const token = await makeToken();
    const notes = async () => {
      trips.length = 0;
      ticketOf(await mint(token.pair, COUNTER, { front }));
      await settled();
      return trips.length - onTheWay(trips).length;
    };
    const noted: number[] = [];
    for (const clock of [0, 1, 600, 601, 1_201, 1_202]) {
      setClock(clock);
      noted.push(await notes());
    }
    expect(noted).toEqual([1, 0, 0, 1, 0, 1]);
  });
});

describe('twenty requests at once', () => {
  it('share the read after the one on its way, each with its own facts', async () => {
    const { front, trips, hold, release } = await startWatched();
    const tokens = await Promise.all(Array.from({ length: 20 }, () => makeToken({ tier: 'pro' })));
    const instances = tokens.map(newInstance);
    for (const [index, { principal }] of tokens.entries())
      if (index % 2 === 0) await grant(principal, { instance: instances[index] ?? '', role: 'admin' });
    hold();
    const replies = tokens.map(({ pair: headers }, index) =>
      mint(headers, { agent: 'counter', instance: instances[index] }, { front }),
    );
    await expect.poll(() => trips.length).toBe(1);
    release();
    const answers = (await Promise.all(replies)).map(ticketOf);
    expect(answers.map(({ role, instance }) => [role, instance])).toEqual(
      instances.map((instance, index) => [index % 2 === 0 ? 'admin' : 'viewer', instance]),
    );
    expect(onTheWay(trips).length).toBeLessThanOrEqual(3);
    expect(new Set(onTheWay(trips).map(shape))).toEqual(new Set(ONE_READ));
  });

  it('are refused together, without an event, where that read fails as an outage does', async () => {
    const token = await makeToken();
    let reads = 0;
    const control = watched(env.CONTROL, async ({ how }) => {
      if (how === 'batch') reads += 1;
      if (how === 'batch' && reads > 1) throw new Error('D1_ERROR: Network connection lost.');
    });
    const { front } = startBroker({ control });
    const other = await makeToken();
    ticketOf(await mint(other.pair, COUNTER, { front }));
    const replies = await Promise.all(Array.from({ length: 20 }, () => mint(token.pair, COUNTER, { front })));
    expect(new Set(replies.map(refusal))).toEqual(new Set(['503 UNAVAILABLE']));
    expect(replies.every(({ headers }) => Number(headers.get('retry-after')) > 0)).toBe(true);
    await delivered();
    expect(await eventsWith('user_id', token.principal)).toEqual([]);
  });

  it('are limited exactly', async () => {
    const { front } = await startWatched();
    const token = await makeToken({ tier: 'free' });
    const replies = await Promise.all(Array.from({ length: 70 }, () => mint(token.pair, COUNTER, { front })));
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(60);
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(10);
  });
});
