import { describe, expect, it } from 'vitest';
import { singleAnswer } from './single-answer.ts';

const RESULT = '{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}';
const ERROR = '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}';
const PROGRESS = '{"jsonrpc":"2.0","method":"notifications/progress","params":{}}';

/** An event stream of these parts, which goes on until it is cancelled unless it `ends`. */
function stream(parts: readonly string[], ends: boolean) {
  const seen = { cancelled: false };
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(encoder.encode(part));
      if (ends) controller.close();
    },
    cancel() {
      seen.cancelled = true;
    },
  });
  return { seen, answer: new Response(body, { headers: { 'content-type': 'text/event-stream' } }) };
}

describe('an event stream becomes plain JSON', () => {
  it.each([
    ['that begins with a result', [`event: message\ndata: ${RESULT}\n\n`], RESULT],
    ['that begins with an error', [`data:${ERROR}\n\n`], ERROR],
    ['that begins with a comment', [':\n\n', `event: message\ndata: ${RESULT}\n\n`], RESULT],
    [
      'that comes in pieces',
      ['event: mess', `age\r\ndata: ${RESULT.slice(0, 9)}`, `${RESULT.slice(9)}\r\n`, '\r\n'],
      RESULT,
    ],
    ['whose data has lines', ['data: {"id":1,\ndata: "result":{}}\n\n'], '{"id":1,\n"result":{}}'],
  ])('%s', async (_name, parts, text) => {
    const { answer, seen } = stream(parts, false);
    const single = await singleAnswer(answer);
    expect(single.headers.get('content-type')).toBe('application/json');
    expect(await single.text()).toBe(text);
    expect(seen.cancelled).toBe(true);
  });
});

describe('an event stream stays one, whole,', () => {
  it.each([
    ['that begins with a progress notification', [`data: ${PROGRESS}\n\n`, `data: ${RESULT}\n\n`]],
    ['with nothing in it', []],
    ['with a comment in it', [':\n\n']],
    ['that breaks off in the middle', [`data: ${RESULT}`]],
  ])('%s', async (_name, parts) => {
    const same = await singleAnswer(stream(parts, true).answer);
    expect(same.headers.get('content-type')).toBe('text/event-stream');
    expect(await same.text()).toBe(parts.join(''));
  });

  it('and is cancelled with its client', async () => {
    const { answer, seen } = stream([`data: ${PROGRESS}\n\n`], false);
    await (await singleAnswer(answer)).body?.cancel();
    expect(seen.cancelled).toBe(true);
  });
});

it('any other answer is unchanged', async () => {
  for (const answer of [Response.json({}), new Response(null, { status: 202 })])
    expect(await singleAnswer(answer)).toBe(answer);
});
