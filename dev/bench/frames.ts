import * as z from 'zod';
import type { Measure } from './rounds.ts';
import type { Row } from './row.ts';
import type { Servers } from './servers.ts';
import { type BenchSocket, openSocket } from './socket-client.ts';
import { mintTickets, orders } from './tickets.ts';

/** What the check and the record of a frame cost: calls of a method on one socket. */

/** A socket of a counter may send 32 frames at once, then 20 a second: each socket stays below that. */
const CALLS = 30;
const SOCKETS = 20;

const Answer = z.object({ id: z.string(), success: z.literal(true) });

/** Makes that many calls on a socket and waits for their answers. */
type Calls = (caller: Caller) => Promise<void>;

interface Caller {
  /** Resolves with the answer. */
  call(): Promise<void>;
  readonly socket: BenchSocket;
}

async function openCaller(url: URL, protocols: readonly string[] = []): Promise<Caller> {
  const waiting = new Map<string, () => void>();
  const socket = await openSocket(url, protocols, (text) => {
    if (!text.includes('"type":"rpc"')) return;
    const answer = Answer.parse(JSON.parse(text));
    waiting.get(answer.id)?.();
    waiting.delete(answer.id);
  });
  await socket.opened;
  let number = 0;
  return {
    socket,
    call: () =>
      new Promise((resolve) => {
        const id = String(number++);
        waiting.set(id, resolve);
        socket.send(JSON.stringify({ type: 'rpc', id, method: 'whoami', args: [] }));
      }),
  };
}

const atOnce: Calls = async ({ call }) => {
  await Promise.all(Array.from({ length: CALLS }, call));
};
const oneByOne: Calls = async ({ call }) => {
  for (let number = 0; number < CALLS; number++) await call();
};

type Open = (number: number) => Promise<Caller>;
/** Calls in a second, of sockets in turn while there is time; their opening does not count. */
type Measured = (calls: Calls, forMs: number, open: Open) => Promise<number>;

async function timed(calls: Calls, caller: Caller): Promise<number> {
  const begin = performance.now();
  await calls(caller);
  const ms = performance.now() - begin;
  caller.socket.close();
  await caller.socket.ended;
  return ms;
}

/** Each socket is opened before its calls: what its opening leaves to do runs beside them. */
const justOpened: Measured = async (calls, forMs, open) => {
  let [ms, sockets] = [0, 0];
  while (sockets < SOCKETS && ms < forMs) ms += await timed(calls, await open(sockets++));
  return (sockets * CALLS * 1000) / ms;
};

/** For the hand-over of what was opened. */
const OPEN_MS = 2_000;

/** All sockets are opened before, and a while passes. */
const longOpen: Measured = async (calls, _forMs, open) => {
  const callers: Caller[] = [];
  for (let number = 0; number < SOCKETS; number++) callers.push(await open(number));
  await new Promise((resolve) => setTimeout(resolve, OPEN_MS));
  let ms = 0;
  for (const caller of callers) ms += await timed(calls, caller);
  return (SOCKETS * CALLS * 1000) / ms;
};

const ours =
  (calls: Calls, measured: Measured) =>
  async (servers: Servers, forMs: number): Promise<Measure> => {
    const { facts } = await servers.stack();
    return async () => {
      const tickets = await mintTickets(facts, await orders(facts, SOCKETS, SOCKETS));
      return measured(calls, forMs, async (number) => {
        const ticket = tickets[number];
        if (ticket === undefined) throw new Error('no ticket');
        return openCaller(ticket.url, ticket.protocols);
      });
    };
  };

const bare =
  (calls: Calls, measured: Measured) =>
  async (servers: Servers, forMs: number): Promise<Measure> => {
    const { url } = await servers.floor();
    return () => measured(calls, forMs, (number) => openCaller(new URL(`/agents/bare/bench-${number}`, url)));
  };

const BARE = 'the same agent of the SDK without tickets and record';

export const frameRows: readonly Row[] = [
  {
    name: 'frames',
    does: `${CALLS} rpc calls at once on one socket; up to ${SOCKETS} sockets in turn`,
    unit: '/s',
    better: 'more',
    isQuick: true,
    ours: ours(atOnce, justOpened),
    floors: [
      { trips: 'none', does: BARE, bounds: { goal: 0.95, limit: 0.9 }, prepare: bare(atOnce, justOpened) },
    ],
  },
  {
    name: 'frames-open',
    does: `the same on ${SOCKETS} sockets that have been open for ${OPEN_MS / 1000} s`,
    unit: '/s',
    better: 'more',
    isQuick: true,
    ours: ours(atOnce, longOpen),
    floors: [{ trips: 'none', does: BARE, prepare: bare(atOnce, longOpen) }],
  },
  {
    name: 'frames-one',
    does: `${CALLS} rpc calls on one socket, each after the answer to the one before; up to ${SOCKETS} sockets in turn`,
    unit: '/s',
    better: 'more',
    isQuick: true,
    ours: ours(oneByOne, justOpened),
    floors: [{ trips: 'none', does: BARE, prepare: bare(oneByOne, justOpened) }],
  },
];
