import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { webhookAnchor } from '../../src/audit/anchor.ts';

/** A real listener, and the fetch that the broker uses. */

type Behaviour = (request: IncomingMessage, answer: ServerResponse) => void;
const status =
  (code: number, headers: Record<string, string> = {}): Behaviour =>
  (_request, answer) => {
    answer.writeHead(code, headers).end('kept');
  };
const drop: Behaviour = (request) => request.socket.destroy();
const silent: Behaviour = () => {};

let [seen, behaviours, slept]: [object[], Behaviour[], number[]] = [[], [], []];
const server = createServer(async (request, answer) => {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  seen.push({ method: request.method, path: request.url, type: request.headers['content-type'], body });
  (behaviours.shift() ?? status(204))(request, answer);
});

beforeEach(async () => {
  [seen, behaviours, slept] = [[], [], []];
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const portOf = (address: string | AddressInfo | null): number =>
  typeof address === 'object' && address !== null ? address.port : 0;

/** A time that is over counts when the listener has the request and stays silent: a busy machine is not late. */
function onlySilence(over: AbortSignal): AbortSignal {
  const stop = new AbortController();
  const [isSilent, before] = [behaviours[0] === silent, seen.length];
  over.addEventListener('abort', async () => {
    if (!isSilent) return;
    await eventually(() => expect(seen.length).toBeGreaterThan(before));
    stop.abort(over.reason);
  });
  return stop.signal;
}

const show = (timeoutMs?: number) =>
  webhookAnchor(`http://127.0.0.1:${portOf(server.address())}/anchor?log=1`, {
    fetch: (url, init) => fetch(url, { ...init, redirect: 'manual', signal: onlySilence(init.signal) }),
    sleep: async (ms) => {
      slept.push(ms);
    },
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  })({ n: 7, jws: 'a.b.c' });

const POSTED = { method: 'POST', path: '/anchor?log=1', type: 'application/jose', body: 'a.b.c' };

describe('a webhook as anchor', () => {
  it('gets the signed text by POST, once', async () => {
    await show();
    expect([seen, slept]).toEqual([[POSTED], []]);
  });

  it.each<[string, Behaviour[]]>([
    ['overloaded', [status(503)]],
    ['asked to wait', [status(429)]],
    ['broken off', [drop, drop]],
  ])('that is %s gets it again, after a pause', async (_what, first) => {
    behaviours = [...first];
    await show();
    expect(seen).toEqual(Array.from({ length: first.length + 1 }, () => POSTED));
    expect(slept).toEqual([1_000, 3_000].slice(0, first.length));
  });

  it('that does not answer in time is asked again, and the late answer is not waited for', async () => {
    behaviours = [silent];
    await show(50);
    expect(seen).toHaveLength(2);
  });

  it.each<[string, Behaviour, string]>([
    ['stays down', status(500), 'answered 500'],
    ['stays silent', silent, 'does not answer'],
    ['breaks off each time', drop, 'does not answer'],
  ])('that %s is given up after three tries', async (_what, behaviour, said) => {
    behaviours = [behaviour, behaviour, behaviour];
    await expect(show(50)).rejects.toThrow(`the anchor ${said}`);
    expect(seen).toHaveLength(3);
  });

  it.each<[string, Behaviour, number]>([
    ['refuses', status(403), 403],
    ['has moved, since its address is configuration', status(307, { location: 'http://127.0.0.1:1/' }), 307],
  ])('that %s is not asked again', async (_what, behaviour, code) => {
    behaviours = [behaviour];
    await expect(show()).rejects.toThrow(`answered ${code}`);
    expect(seen).toHaveLength(1);
  });
});
