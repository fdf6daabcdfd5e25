import type { Denial } from './denial.ts';

/**
 * The result of a step that may refuse. A refusal is a value, never an exception. An exception is a bug or an outage,
 * and intermediate code does not catch it.
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
