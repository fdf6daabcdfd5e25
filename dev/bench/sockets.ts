import { readdirSync, readFileSync } from 'node:fs';
import type { StackFacts } from '../start/stack.ts';
import type { Measure } from './rounds.ts';
import type { Row } from './row.ts';
import type { Servers } from './servers.ts';
import { type BenchSocket, openSocket } from './socket-client.ts';
import { instanceNames, mintTickets, type Order, openMinter, orders, type Ticket } from './tickets.ts';

/** What many sockets cost: memory while they do nothing, and time when all come back at once. */

const IDLE = { sockets: 1000, objects: 20 };
const BACK = { sockets: 2000, objects: 100 };
/** Connections that are being opened at once where the time does not matter. */
const LANES = 16;
/** For garbage and for what is written after the first frame. */
const PAUSE_MS = 3000;

/** Opens sockets in the order of their tickets, some at once, and resolves when each has its first frame. */
export async function openAll(tickets: readonly Ticket[]): Promise<BenchSocket[]> {
  const sockets: BenchSocket[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let ticket = tickets[next++]; ticket !== undefined; ticket = tickets[next++]) {
      const socket = await openSocket(ticket.url, ticket.protocols);
      sockets.push(socket);
      await socket.opened;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return sockets;
}

/** Addresses of the bare agent, without tickets. */
const bareTickets = (url: string, count: number, objects: number): Ticket[] =>
  instanceNames(count).map((_, number) => ({
    url: new URL(`/agents/bare/bench-${number % objects}`, url),
    protocols: [],
  }));

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Processes of the Workers runtime that this process started, by `/proc`: this row runs on Linux only. */
function runtimes(): number[] {
  const own = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return own.map(Number).filter((pid) => {
    // A process may be gone by now.
    const status = readStatus(pid);
    return status.includes(`\nPPid:\t${process.pid}\n`) && /^Name:\tworkerd/.test(status);
  });
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

const residentKilobytes = (pid: number): number => Number(/\nVmRSS:\s+(\d+) kB/.exec(readStatus(pid))?.[1]);

/**
 * Memory of a new runtime for each idle socket, in KiB. Each object has one socket before, so that the memory of the
 * objects does not count; tickets are minted before, too.
 */
async function memoryOf<Server extends { close(): Promise<void> }>(
  start: () => Promise<Server>,
  ticketsOf: (server: Server) => Promise<Ticket[]>,
): Promise<number> {
  const before = new Set(runtimes());
  const server = await start();
  try {
    const pid = runtimes().find((each) => !before.has(each));
    if (pid === undefined) throw new Error('no new process of the runtime: this row needs /proc');
    const tickets = await ticketsOf(server);
    const sockets = await openAll(tickets.slice(0, IDLE.objects));
    await pause(PAUSE_MS);
    const empty = residentKilobytes(pid);
    sockets.push(...(await openAll(tickets.slice(IDLE.objects))));
    await pause(PAUSE_MS);
    const full = residentKilobytes(pid);
    for (const socket of sockets) socket.close();
    await Promise.all(sockets.map(({ ended }) => ended));
    return (full - empty) / (tickets.length - IDLE.objects);
  } finally {
    await server.close();
  }
}

const ourMemory = async (servers: Servers): Promise<Measure> => {
  const ticketsOf = async ({ facts }: { readonly facts: StackFacts }) =>
    mintTickets(facts, await orders(facts, IDLE.sockets, IDLE.objects));
  return () => memoryOf(servers.freshStack, ticketsOf);
};

const bareMemory = async (servers: Servers): Promise<Measure> => {
  const ticketsOf = async ({ url }: { readonly url: string }) => bareTickets(url, IDLE.sockets, IDLE.objects);
  return () => memoryOf(servers.freshFloor, ticketsOf);
};

/** A client that lost its connection: it tries again a little later until it has a first frame. */
async function comeBack(find: () => Promise<Ticket>): Promise<BenchSocket> {
  for (let delayMs = 500; ; delayMs = Math.min(2 * delayMs, 4000)) {
    try {
      const ticket = await find();
      const socket = await openSocket(ticket.url, ticket.protocols);
      await socket.opened;
      return socket;
    } catch (error) {
      if (delayMs === 4000) throw error;
      await pause(delayMs * (0.5 + Math.random() / 2));
    }
  }
}

/** Time until all that come at once have their first frames, in ms. They are closed afterwards. */
async function timeBack(clients: readonly (() => Promise<Ticket>)[]): Promise<number> {
  const begin = performance.now();
  const sockets = await Promise.all(clients.map(comeBack));
  const ms = performance.now() - begin;
  for (const socket of sockets) socket.close();
  await Promise.all(sockets.map(({ ended }) => ended));
  return ms;
}

/** Each client mints, on a connection of its own, and connects. */
const backWithMint = async (servers: Servers): Promise<Measure> => {
  const { facts } = await servers.stack();
  const mint = (order: Order) => async (): Promise<Ticket> => {
    const minter = await openMinter(facts);
    try {
      return await minter.mint(order);
    } finally {
      minter.close();
    }
  };
  return async () => timeBack((await orders(facts, BACK.sockets, BACK.objects)).map(mint));
};

/** Each client has a ticket; one that is refused for want of another one fails the round. */
const backWithTicket = async (servers: Servers): Promise<Measure> => {
  const { facts } = await servers.stack();
  return async () => {
    const tickets = await mintTickets(facts, await orders(facts, BACK.sockets, BACK.objects));
    return timeBack(tickets.map((ticket) => async () => ticket));
  };
};

const backBare = async (servers: Servers): Promise<Measure> => {
  const { url } = await servers.floor();
  const tickets = bareTickets(url, BACK.sockets, BACK.objects);
  return () => timeBack(tickets.map((ticket) => async () => ticket));
};

const BARE = 'the same agent of the SDK without tickets and record';

export const socketRows: readonly Row[] = [
  {
    name: 'memory',
    does: `memory of workerd for each of ${IDLE.sockets} idle sockets in ${IDLE.objects} objects`,
    unit: 'KiB',
    better: 'less',
    isQuick: false,
    rounds: 3,
    ours: ourMemory,
    floors: [{ trips: 'none', does: BARE, bounds: { goal: 1.15, limit: 1.3 }, prepare: bareMemory }],
  },
  {
    name: 'back',
    does: `${BACK.sockets} clients at once to ${BACK.objects} objects, each mints and connects, to the last first frame`,
    unit: 'ms',
    better: 'less',
    isQuick: false,
    rounds: 3,
    ours: backWithMint,
    floors: [{ trips: 'none', does: BARE, bounds: { goal: 3, limit: 5 }, prepare: backBare }],
  },
  {
    name: 'back-minted',
    does: 'the same with tickets that were minted before',
    unit: 'ms',
    better: 'less',
    isQuick: false,
    rounds: 3,
    ours: backWithTicket,
    floors: [{ trips: 'none', does: BARE, prepare: backBare }],
  },
];
