/** A frame's JSON object, read loosely: nothing of it has been checked. */
export interface FrameMembers {
  readonly type?: unknown;
  readonly [member: string]: unknown;
}

/**
 * The members of a text that is a JSON object, `undefined` for every other text. An array is an object here, with no
 * `type`, as it is to the SDK.
 */
export function frameMembers(text: string): FrameMembers | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
