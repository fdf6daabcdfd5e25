import type { StackFacts } from '../start/stack.ts';
import { jsonRequest, openLane } from './http-lane.ts';
import type { Measure } from './rounds.ts';
import type { Row } from './row.ts';
import type { Servers } from './servers.ts';
import { openAll } from './sockets.ts';
import { mintTickets, orders } from './tickets.ts';

/** How long a lock on everything takes to end every socket. */

const SOCKETS = 5000;
const OBJECTS = 100;
/** Tickets of one minting: the last one must be used before it expires. */
const PORTION = 1000;

interface Locked {
  /** From the request to the last close frame at a client, in ms. */
  readonly closedMs: number;
  /** From the request to its answer, in ms. */
  readonly answeredMs: number;
}

async function lockEverything(facts: StackFacts): Promise<Locked> {
  const all = await orders(facts, SOCKETS, OBJECTS);
  const sockets = [];
  for (let from = 0; from < SOCKETS; from += PORTION)
    sockets.push(...(await openAll(await mintTickets(facts, all.slice(from, from + PORTION)))));
  const url = new URL('/admin/locks', facts.broker);
  const lane = await openLane(url);
  const headers = { authorization: `Bearer ${facts.adminToken.clientSecret}` };
  const request = jsonRequest(url, { target: { kind: 'everything' }, reason: 'bench' }, headers);

  const begin = performance.now();
  // 202 while an object has not answered, which its sockets do not wait for.
  const answered = lane.ask(request, 201, 202).then(() => performance.now());
  const ends = await Promise.all(sockets.map(({ ended }) => ended));
  const closedMs = Math.max(...ends.map(({ at }) => at)) - begin;
  const answeredMs = (await answered) - begin;
  lane.close();
  const other = ends.find(({ code }) => code !== 4003);
  if (other !== undefined) throw new Error(`a socket was closed with ${other.code} instead of 4003`);
  return { closedMs, answeredMs };
}

/** Times that another row has measured already: both rows read the same locks. */
const unread: Record<keyof Locked, number[]> = { closedMs: [], answeredMs: [] };

const ours =
  (figure: keyof Locked) =>
  async (servers: Servers): Promise<Measure> =>
  async () => {
    const known = unread[figure].shift();
    if (known !== undefined) return known;
    const stack = await servers.freshStack();
    try {
      const { closedMs, answeredMs } = await lockEverything(stack.facts);
      unread.closedMs.push(closedMs);
      unread.answeredMs.push(answeredMs);
    } finally {
      await stack.close();
    }
    return unread[figure].shift() ?? 0;
  };

const LOCKS = `POST /admin/locks on everything, ${SOCKETS} sockets in ${OBJECTS} objects`;

export const revocationRows: readonly Row[] = [
  {
    name: 'lock-close',
    does: `${LOCKS}: to the last close frame`,
    unit: 'ms',
    better: 'less',
    isQuick: false,
    rounds: 3,
    bounds: { goal: 700, limit: 1000 },
    ours: ours('closedMs'),
    floors: [],
  },
  {
    name: 'lock-answer',
    does: `${LOCKS}: to the answer`,
    unit: 'ms',
    better: 'less',
    isQuick: false,
    rounds: 3,
    ours: ours('answeredMs'),
    floors: [],
  },
];
