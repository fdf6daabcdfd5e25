/**
 * Reads bytes as one JSON value in strict UTF-8 (RFC 8259 §8.1): a byte order mark or an invalid sequence is not
 * silently repaired. Duplicate keys: the last one wins, as in every JavaScript reader, so decide on this result only.
 * Answers `undefined` for anything that is not JSON.
 */
export function readStrictJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}
