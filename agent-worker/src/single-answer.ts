/** An event ends at an empty line (WHATWG HTML, server-sent events). */
const EVENT_END = /\r?\n\r?\n/;

/**
 * Turns an event stream that begins with the result, and so contains nothing else, into plain JSON; leaves any other
 * answer unchanged. A stream costs its client a ticket, and older clients of the protocol get one for every call.
 */
export async function singleAnswer(answer: Response): Promise<Response> {
  if (answer.body === null || answer.headers.get('content-type')?.startsWith('text/event-stream') !== true)
    return answer;
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  const read: Uint8Array[] = [];
  for (let text = ''; ; ) {
    const { done, value } = await reader.read();
    if (value !== undefined) {
      read.push(value);
      text += decoder.decode(value, { stream: true });
    }
    const result = resultIn(text);
    if (result !== undefined) {
      await reader.cancel();
      const headers = new Headers(answer.headers);
      headers.set('content-type', 'application/json');
      return new Response(result, { status: answer.status, headers });
    }
    if (done || hasData(text)) return new Response(resumed(read, reader), answer);
  }
}

const events = (text: string): string[] => text.split(EVENT_END).slice(0, -1);

const dataOf = (event: string): string =>
  event
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length).trim())
    .join('\n');

/** Whether an event with data came; comments only keep a connection alive. */
const hasData = (text: string): boolean => events(text).some((event) => dataOf(event) !== '');

/** The first data, if it is a JSON-RPC response. */
function resultIn(text: string): string | undefined {
  const first = events(text)
    .map(dataOf)
    .find((data) => data !== '');
  if (first === undefined) return undefined;
  const message: unknown = JSON.parse(first);
  const isResponse =
    typeof message === 'object' && message !== null && ('result' in message || 'error' in message);
  return isResponse ? first : undefined;
}

/** The chunks that were read already, and then the rest. */
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
