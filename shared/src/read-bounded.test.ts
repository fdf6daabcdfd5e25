import { describe, expect, it } from 'vitest';
import { readBounded } from './read-bounded.ts';

const text = async (message: Request | Response, maxBytes: number) => {
  const bytes = await readBounded(message, maxBytes);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
};

/** A body of these chunks, and how many of them were taken. */
function chunked(chunks: string[]) {
  const state = { pulled: 0, cancelled: false };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = chunks[state.pulled];
        if (chunk === undefined) return controller.close();
        state.pulled += 1;
        controller.enqueue(new TextEncoder().encode(chunk));
      },
      cancel() {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { state, stream };
}

describe('a body is read up to a number of bytes', () => {
  it.each<[string, number, string | undefined]>([
    ['', 0, ''],
    ['', 5, ''],
    ['12345', 5, '12345'],
    ['12345', 4, undefined],
    ['\u20ac\u20ac', 6, '\u20ac\u20ac'],
    ['\u20ac\u20ac', 5, undefined],
  ])('%j within %i gives %j', async (content, maxBytes, expected) => {
    expect(await text(new Response(content), maxBytes)).toBe(expected);
    const request = new Request('https://broker.example/', { method: 'POST', body: content });
    expect(await text(request, maxBytes)).toBe(expected);
  });

  it('no body is an empty one', async () => {
    expect(await text(new Response(null), 0)).toBe('');
    expect(await text(new Request('https://broker.example/'), 0)).toBe('');
  });

  it('chunks are put together in order', async () => {
    expect(await text(new Response(chunked(['ab', '', 'c', 'def']).stream), 6)).toBe('abcdef');
  });

  it('a body without end is cancelled at the first byte too many, whatever its length header says', async () => {
    const { state, stream } = chunked(Array.from({ length: 1000 }, () => 'x'.repeat(10)));
    const response = new Response(stream, { headers: { 'content-length': '5' } });
    expect(await text(response, 25)).toBeUndefined();
    expect(state).toEqual({ pulled: 3, cancelled: true });
  });

  it.each([
    ['5', '12345', '12345'],
    ['2', '123456', undefined],
    ['6', '123456', undefined],
    ['999999', 'ok', 'ok'],
    ['five', '12345', '12345'],
  ])('a request that declares the length %s and has %j gives %j within 5', async (length, body, expected) => {
    const headers = { 'content-length': length };
    const request = new Request('https://broker.example/', { method: 'POST', body, headers });
    expect(await text(request, 5)).toBe(expected);
  });

  it('a length header that claims too much does not refuse a short body', async () => {
    expect(await text(new Response('ok', { headers: { 'content-length': '999999' } }), 10)).toBe('ok');
  });

  it('a body that breaks off is an error and not a shorter body', async () => {
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Uint8Array.of(0x31));
        controller.error(new TypeError('connection lost'));
      },
    });
    await expect(readBounded(new Response(stream), 10)).rejects.toThrow();
  });
});
