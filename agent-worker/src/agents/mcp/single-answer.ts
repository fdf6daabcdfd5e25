/** An event ends at an empty line (WHATWG HTML, server-sent events). */
const EVENT_END = /\r?\n\r?\n/;

/**
 * An answer as plain JSON where its event stream begins with the result and so has nothing else to tell; the stream as
 * it is otherwise. A stream costs its client a ticket, and older clients of the protocol get one for every call.
 */
export async function singleAnswer(answer: Response): Promise<Response> {
  if (answer.body === null || answer.headers.get('content-type')?.startsWith('text/event-stream') !== true)
    return answer;
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  const read: Uint8Array[] = [];
  for (let begun = ''; ; ) {
    const { done, value } = await reader.read();
    if (value !== undefined) {
      read.push(value);
      begun += decoder.decode(value, { stream: true });
    }
    const result = resultIn(begun);
    if (result !== undefined) {
      await reader.cancel();
      return new Response(result, { status: answer.status, headers: { 'content-type': 'application/json' } });
    }
    if (done || hasSpoken(begun)) return new Response(resumed(read, reader), answer);
  }
}

const events = (begun: string): string[] => begun.split(EVENT_END).slice(0, -1);

const dataOf = (event: string): string =>
  event
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length).trim())
    .join('\n');

/** Whether something came that says anything; comments keep a connection alive. */
const hasSpoken = (begun: string): boolean => events(begun).some((event) => dataOf(event) !== '');

/** The JSON-RPC response that is the first thing said, if it is one. */
function resultIn(begun: string): string | undefined {
  const first = events(begun)
    .map(dataOf)
    .find((data) => data !== '');
  if (first === undefined) return undefined;
  const message: unknown = JSON.parse(first);
  const isResponse =
    typeof message === 'object' && message !== null && ('result' in message || 'error' in message);
  return isResponse ? first : undefined;
}

/** What was read already, and then the rest. */
function resumed(
  read: Uint8Array[],
  reader: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const early = read.shift();
      if (early !== undefined) return controller.enqueue(early);
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
