import { type Measure, msEach, type Once, perSecond } from './rounds.ts';
import type { Row } from './row.ts';
import type { Servers } from './servers.ts';
import { openSocket } from './socket-client.ts';
import { instanceNames, mintTickets, orders } from './tickets.ts';

/** What an upgrade costs up to the agent's first frame, and what a refusal costs. */

const CALLERS = 16;
/** Objects among which connections are distributed; all are awake after the first round. */
const OBJECTS = 64;
/** For the first round. The others have twice as many as the round before used. */
const FIRST_TICKETS_PER_SECOND = 300;

/** Opens a socket, waits for its first frame and closes it, without waiting for the close frame of the server. */
type Open = (url: URL, protocols?: readonly string[]) => Promise<void>;

const openRaw: Open = async (url, protocols) => {
  const socket = await openSocket(url, protocols);
  await socket.opened;
  socket.close();
};

/** By Node's WebSocket, which is what a client on Node has. */
const openStock: Open = (url, protocols = []) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url.href.replace('http:', 'ws:'), [...protocols]);
    socket.addEventListener('message', () => {
      socket.close(1000);
      resolve();
    });
    socket.addEventListener('close', ({ code, reason }) => reject(new Error(`${url}: ${code} ${reason}`)));
    socket.addEventListener('error', () => reject(new Error(`${url}: no connection`)));
  });

type Run = (once: Once, forMs: number) => Promise<number>;

/** Measures with tickets that were minted before the time of the round begins: each of them opens one socket. */
const admitted =
  (run: Run, open: Open) =>
  async (servers: Servers, forMs: number): Promise<Measure> => {
    const { facts } = await servers.stack();
    let expected = (FIRST_TICKETS_PER_SECOND * forMs) / 1000;
    return async () => {
      const wanted = await orders(facts, Math.ceil(expected), OBJECTS);
      const stock = await mintTickets(facts, wanted);
      const figure = await run(async () => {
        const ticket = stock.pop();
        if (ticket === undefined) return false;
        await open(ticket.url, ticket.protocols);
        return true;
      }, forMs);
      // A round with too few tickets is only shorter.
      expected = 2 * (wanted.length - stock.length) + CALLERS;
      return figure;
    };
  };

const bare =
  (run: Run, open: Open, agent: 'bare' | 'writing') =>
  async (servers: Servers, forMs: number): Promise<Measure> => {
    const { url } = await servers.floor();
    const urls = instanceNames(OBJECTS).map((name) => new URL(`/agents/${agent}/${name}`, url));
    let next = 0;
    return () => run(() => open(urls[next++ % urls.length] ?? new URL(url)), forMs);
  };

const many: Run = (once, forMs) => perSecond(Array<Once>(CALLERS).fill(once), forMs);

const CONNECTS = 'upgrade with a ticket to the first frame: verify, use up, open the session';
const BARE = 'the same agent of the SDK without tickets and record';
const WRITING = 'the same with one row in the object and six in the database for each socket';

export const connectRows: readonly Row[] = [
  {
    name: 'connect',
    does: `${CONNECTS}; ${CALLERS} callers, ${OBJECTS} objects`,
    unit: '/s',
    better: 'more',
    isQuick: true,
    ours: admitted(many, openStock),
    floors: [
      {
        trips: 'none',
        does: BARE,
        bounds: { goal: 0.55, limit: 0.42 },
        prepare: bare(many, openStock, 'bare'),
      },
      { trips: 'same', does: WRITING, prepare: bare(many, openStock, 'writing') },
    ],
  },
  {
    name: 'connect-one',
    does: `${CONNECTS}; one caller`,
    unit: 'ms',
    better: 'less',
    isQuick: true,
    ours: admitted(msEach, openStock),
    floors: [
      {
        trips: 'none',
        does: BARE,
        bounds: { goal: 1.8, limit: 2.4 },
        prepare: bare(msEach, openStock, 'bare'),
      },
      { trips: 'same', does: WRITING, prepare: bare(msEach, openStock, 'writing') },
    ],
  },
  {
    name: 'connect-raw',
    does: `${CONNECTS}; ${CALLERS} callers by a raw client`,
    unit: '/s',
    better: 'more',
    isQuick: false,
    ours: admitted(many, openRaw),
    floors: [
      { trips: 'none', does: BARE, prepare: bare(many, openRaw, 'bare') },
      { trips: 'same', does: WRITING, prepare: bare(many, openRaw, 'writing') },
    ],
  },
  {
    name: 'refuse',
    does: 'request with an unsigned ticket, answered with 401; 16 callers by fetch',
    unit: '/s',
    better: 'more',
    isQuick: true,
    ours: async (servers, forMs) => {
      const { agentWorker } = (await servers.stack()).facts;
      const headers = { accept: 'application/json', authorization: 'Bearer e30.e30.e30' };
      const url = new URL('/agents/counter/bench', agentWorker);
      return () => many(() => asked(url, headers, 401), forMs);
    },
    floors: [
      {
        trips: 'none',
        does: 'a bare worker that answers a constant',
        bounds: { goal: 0.9, limit: 0.3 },
        prepare: async (servers, forMs) => {
          const url = new URL('/still', (await servers.floor()).url);
          return () => many(() => asked(url, {}, 200), forMs);
        },
      },
    ],
  },
];

async function asked(url: URL, headers: Readonly<Record<string, string>>, status: number): Promise<void> {
  const answer = await fetch(url, { headers });
  await answer.arrayBuffer();
  if (answer.status !== status) throw new Error(`${url}: ${answer.status} instead of ${status}`);
}
