/** Reading answers that came over the network. What does not have the expected form is `undefined`, not a guess. */

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The members of an object, or none. */
export const membersOf = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : {});

/** The members of JSON text, or none. */
export const parseMembers = (text: string): Record<string, unknown> => membersOf(parseJson(text));

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export const textOr = <T>(value: unknown, otherwise: T): string | T =>
  typeof value === 'string' ? value : otherwise;

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
