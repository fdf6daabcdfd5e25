import { afterEach, expect, it, vi } from 'vitest';
import { send } from './api.ts';

afterEach(() => void vi.unstubAllGlobals());

/** What the broker answers, or a proxy on the way. */
const answering = (answer: () => Response): void => void vi.stubGlobal('fetch', async () => answer());

/** As a browser reads an answer that ends before its end. */
const ending = (error: Error, status = 200): Response =>
  new Response(
    new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode('{"items"'));
        controller.error(error);
      },
    }),
    { status },
  );

const json = (response: Response): Promise<unknown> => response.json();
const BROKEN = new TypeError('network error');
const PAGE = '<!doctype html>';
const REFUSED = '{"error":{"message":"too many requests"}}';

it.each<[what: string, answer: () => Response, failure: object]>([
  [
    'no answer',
    () => {
      throw BROKEN;
    },
    { status: 0 },
  ],
  ['an answer that breaks off', () => ending(BROKEN), { status: 0 }],
  ['a refusal that breaks off', () => ending(BROKEN, 503), { status: 0 }],
  [
    'a page of a proxy',
    () => new Response(PAGE),
    { status: 200, message: 'the answer is not in the form of the broker' },
  ],
  [
    'a refusal that is a page of a proxy',
    () => new Response(PAGE, { status: 502 }),
    { status: 502, message: 'the answer was 502' },
  ],
  [
    'a refusal of the broker',
    () => new Response(REFUSED, { status: 429, headers: { 'retry-after': '17', 'x-request-id': 'r-1' } }),
    { status: 429, message: 'too many requests', requestId: 'r-1', retryAfter: 17 },
  ],
])('%s is a failure, and never a rejection', async (_, answer, failure) => {
  answering(answer);
  expect(await send('https://broker.test/', {}, json)).toMatchObject({ ok: false, failure });
});

it('a refusal whose body is asked for is an answer', async () => {
  answering(() => new Response('{"mint":false}', { status: 503 }));
  const outcome = await send('https://broker.test/', { accepts: [503] }, json);
  expect(outcome).toEqual({ ok: true, status: 503, value: { mint: false } });
});

it.each([200, 503])('a call that its view ended rejects, also within an answer of %s', async (status) => {
  answering(() => ending(new DOMException('ended', 'AbortError'), status));
  await expect(send('https://broker.test/', {}, json)).rejects.toThrow('ended');
});
