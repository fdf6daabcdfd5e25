/** The body, or `undefined` once it is longer than `maxBytes`; counted while reading, whatever the length header says. */
export async function readBounded(
  message: Request | Response,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  if (isOfKnownLength(message, maxBytes)) {
    const body = new Uint8Array(await message.arrayBuffer());
    return body.byteLength > maxBytes ? undefined : body;
  }
  if (message.body === null) return new Uint8Array();
  const reader = message.body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.byteLength;
    if (length > maxBytes) {
      await reader.cancel();
      return undefined;
    }
    chunks.push(value);
  }
  const body = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return body;
}

/**
 * Whether a message is a request that declares a length within the limit, which the server holds it to (RFC 9112 §6.3).
 * Reading it as a whole is much cheaper on Node, where a request has no stream until somebody asks for one. The length of
 * a response may be that of a compressed body.
 */
function isOfKnownLength(message: Request | Response, maxBytes: number): boolean {
  if (!('method' in message) || message.headers.has('transfer-encoding')) return false;
  const declared = message.headers.get('content-length') ?? '';
  return /^\d+$/.test(declared) && Number(declared) <= maxBytes;
}
