/** What a stored text says as JSON; `undefined` where it is none, as whoever reads rows must not end at a bad one. */
export function parseStored(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
