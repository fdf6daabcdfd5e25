/**
 * Reads bytes as one JSON value in strict UTF-8 (RFC 8259 §8.1): a byte order mark or an invalid sequence is not
 * silently repaired. Duplicate members: the last one wins, as in every JavaScript reader, so decide on this result only,
 * or ask {@link duplicateMember}. Answers `undefined` for anything that is not JSON.
 */
export function readStrictJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/**
 * The name of a member that an object of a JSON text has twice (RFC 8259 §4: readers disagree which one counts);
 * `undefined` where there is none. For bytes that {@link readStrictJson} has read, and no others.
 */
export function duplicateMember(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(bytes);
  /** The names so far of each open object; an array has none. */
  const open: (Set<string> | undefined)[] = [];
  let last = '';
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      // Escapes make two spellings of one name.
      const name = String(JSON.parse(last));
      const names = open.at(-1);
      if (names?.has(name)) return name;
      names?.add(name);
    } else last = token;
  }
  return undefined;
}
