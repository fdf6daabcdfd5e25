import type { TestContext } from 'vitest';

declare module 'vitest' {
  interface TaskMeta {
    /** Requests of the test that were refused, by the answer. */
    refused?: Record<string, number>;
  }
}

/** Counts a refusal for the report of the test. `npm run proof` reads these. */
export function noteRefusal({ meta }: TestContext['task'], answer: string): void {
  meta.refused = { ...meta.refused, [answer]: (meta.refused?.[answer] ?? 0) + 1 };
}
