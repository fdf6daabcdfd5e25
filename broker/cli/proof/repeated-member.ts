/** Strings and the signs that open, close and name, in text that is known to be JSON. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}:]/g;

/**
 * Whether an object in a JSON text has a member twice, however its name is spelled. Readers differ on which one counts
 * (RFC 8259 §4), so that such a text may say one thing to us and another to whoever reads it next.
 */
export function repeatsMember(json: string): boolean {
  const objects: Set<unknown>[] = [];
  let last = '""';
  for (const [token] of json.matchAll(TOKENS)) {
    if (token === '{') objects.push(new Set());
    else if (token === '}') objects.pop();
    else if (token !== ':') last = token;
    else {
      const [names, name]: [Set<unknown> | undefined, unknown] = [objects.at(-1), JSON.parse(last)];
      if (names?.has(name)) return true;
      names?.add(name);
    }
  }
  return false;
}
