import { applyD1Migrations } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterAll, afterEach, beforeEach, expect, vi } from 'vitest';
import { resetBroker } from './broker.ts';
import { closeSockets } from './sockets.ts';
import { NOW, signedTickets } from './tickets.ts';

await applyD1Migrations(env.RECORD, env.TEST_MIGRATIONS);

const printed: string[] = [];
const reachedOut: string[] = [];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW * 1000 });
  resetBroker();
  printed.length = 0;
  reachedOut.length = 0;
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    vi.spyOn(console, method).mockImplementation((...words) => {
      printed.push(words.map(readable).join(' '));
    });
  }
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (to) => {
    reachedOut.push(String(to instanceof Request ? to.url : to));
    throw new Error('tests do not reach out');
  });
});

afterAll(closeSockets);

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  expect(reachedOut, 'nothing is fetched from the network').toEqual([]);
  const leaked = signedTickets().filter((ticket) => printed.some((line) => line.includes(ticket)));
  expect(leaked, 'no ticket is printed').toEqual([]);
});

const readable = (word: unknown): string =>
  word instanceof Error
    ? `${word.stack}`
    : typeof word === 'string'
      ? word
      : (JSON.stringify(word) ?? String(word));
