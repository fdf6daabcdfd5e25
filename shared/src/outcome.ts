import type { Denial } from './denial.ts';

/**
 * What a step that may refuse returns. A refusal is a value, never an exception; an exception is a bug or an
 * outage and is not caught on the way.
 */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly denial: Denial };

export const ok = <T>(value: T): Outcome<T> => ({ ok: true, value });

/** Refuses with an exact reason and, where `denial.ts` asks for it, the fact that the answer carries. */
export const err = (
  reason: Denial['reason'],
  facts: Omit<Denial, 'reason'> = {},
): { readonly ok: false; readonly denial: Denial } => ({ ok: false, denial: { reason, ...facts } });
