import { jsonRequest, openLane } from './http-lane.ts';
import { type Measure, msEach, type Once, perSecond } from './rounds.ts';
import type { Row } from './row.ts';
import type { Servers } from './servers.ts';
import { principalSecrets } from './tickets.ts';

/** What one mint costs over HTTP, on each runtime, beside the signatures alone. */

const MINTS = 'POST /tickets with a service token: authenticate, decide, record, sign, check';
const BODY = { agent: 'counter', instance: 'bench' };

/** A request that is made again and again. */
interface Target {
  readonly url: URL;
  readonly authorization?: string;
}

/** By the admin token, which has no rate limit. */
const tickets = (broker: string, secret: string): Target => ({
  url: new URL('/tickets', broker),
  authorization: `Bearer ${secret}`,
});
const onWorkers = async (servers: Servers): Promise<Target> => {
  const { facts } = await servers.stack();
  return tickets(facts.broker, facts.adminToken.clientSecret);
};
/** Each caller has a service token of its own, so that their requests are of different accounts. */
const ofAccounts = async (servers: Servers, caller: number): Promise<Target> => {
  const { facts } = await servers.stack();
  const secrets = await principalSecrets(facts);
  return tickets(facts.broker, secrets[caller % secrets.length] ?? '');
};
const onNode = async (servers: Servers): Promise<Target> => {
  const { broker, secrets } = await servers.nodeStack();
  return tickets(broker, secrets.adminToken.clientSecret);
};

async function exchangeAt(floor: string): Promise<Target> {
  const token = await (await fetch(new URL('/token', floor))).text();
  return { url: new URL('/exchange', floor), authorization: `Bearer ${token}` };
}
const exchangeOnWorkers = async (servers: Servers) => exchangeAt((await servers.floor()).url);
const exchangeOnNode = async (servers: Servers) => exchangeAt((await servers.nodeFloor()).url);

const sameTrips = async (servers: Servers): Promise<Target> => ({
  url: new URL('/sign', (await servers.floor()).url),
});

/** A caller as a backend has it, or one that leaves nearly all of the CPU to the server. */
type Client = 'fetch' | 'raw';

/** One caller, on a connection that stays open. */
async function openCaller({ url, authorization }: Target, client: Client): Promise<Once> {
  const headers = authorization === undefined ? {} : { authorization };
  if (client === 'fetch') return () => post(url, headers);
  const lane = await openLane(url);
  const request = jsonRequest(url, BODY, headers);
  return () => lane.ask(request, 201);
}

async function post(url: URL, headers: Readonly<Record<string, string>>): Promise<void> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(BODY),
  });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`${url}: ${answer.status} ${text}`);
}

/** The target of one caller; they are numbered from 0. */
type FindTarget = (servers: Servers, caller: number) => Promise<Target>;

const rate =
  (find: FindTarget, client: Client, callers: number) =>
  async (servers: Servers, forMs: number): Promise<Measure> => {
    const all: Once[] = [];
    for (let caller = 0; caller < callers; caller++)
      all.push(await openCaller(await find(servers, caller), client));
    return () => perSecond(all, forMs);
  };

const time =
  (find: FindTarget, client: Client) =>
  async (servers: Servers, forMs: number): Promise<Measure> => {
    const caller = await openCaller(await find(servers, 0), client);
    return () => msEach(caller, forMs);
  };

const EXCHANGE = 'one ES256 JWT checked and one signed, no database';
const TRIPS = 'two reads, one row in an object, a signature made and checked';

export const mintRows: readonly Row[] = [
  {
    name: 'mint-node',
    does: `${MINTS}; Node and libSQL files, 32 callers by a raw client`,
    unit: '/s',
    better: 'more',
    isQuick: true,
    ours: rate(onNode, 'raw', 32),
    floors: [
      {
        trips: 'none',
        does: `${EXCHANGE}: hono and jose on Node`,
        bounds: { goal: 0.55, limit: 0.4 },
        prepare: rate(exchangeOnNode, 'raw', 32),
      },
    ],
  },
  {
    name: 'mint-workerd',
    does: `${MINTS}; workerd, 16 callers by fetch`,
    unit: '/s',
    better: 'more',
    isQuick: true,
    ours: rate(onWorkers, 'fetch', 16),
    floors: [
      {
        trips: 'none',
        does: `${EXCHANGE}: jose on workerd`,
        bounds: { goal: 0.45, limit: 0.33 },
        prepare: rate(exchangeOnWorkers, 'fetch', 16),
      },
      { trips: 'same', does: TRIPS, prepare: rate(sameTrips, 'fetch', 16) },
    ],
  },
  {
    name: 'mint-workerd-accounts',
    does: `${MINTS}; workerd, 16 callers by fetch, each with a service token of its own`,
    unit: '/s',
    better: 'more',
    isQuick: false,
    ours: rate(ofAccounts, 'fetch', 16),
    floors: [
      {
        trips: 'none',
        does: `${EXCHANGE}: jose on workerd`,
        prepare: rate(exchangeOnWorkers, 'fetch', 16),
      },
    ],
  },
  {
    name: 'mint-workerd-one',
    does: `${MINTS}; workerd, one caller by fetch`,
    unit: 'ms',
    better: 'less',
    isQuick: true,
    ours: time(onWorkers, 'fetch'),
    floors: [
      {
        trips: 'none',
        does: `${EXCHANGE}: jose on workerd`,
        bounds: { goal: 2.3, limit: 3 },
        prepare: time(exchangeOnWorkers, 'fetch'),
      },
      { trips: 'same', does: TRIPS, prepare: time(sameTrips, 'fetch') },
    ],
  },
  {
    name: 'mint-workerd-raw',
    does: `${MINTS}; workerd, 16 callers by a raw client`,
    unit: '/s',
    better: 'more',
    isQuick: false,
    ours: rate(onWorkers, 'raw', 16),
    floors: [
      {
        trips: 'none',
        does: `${EXCHANGE}: jose on workerd`,
        prepare: rate(exchangeOnWorkers, 'raw', 16),
      },
      { trips: 'same', does: TRIPS, prepare: rate(sameTrips, 'raw', 16) },
    ],
  },
];
