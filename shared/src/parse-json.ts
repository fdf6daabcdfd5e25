/**
 * The value of a JSON text; `undefined` for another text. Never the text of an error: that quotes its input, which may hold a
 * secret.
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
