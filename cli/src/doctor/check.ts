import type { Facts, Reply } from './facts.ts';

/** A check: its name, and its finding. `undefined`: all is well. A text: what is wrong, and the remedy. */
export interface Check<Known> {
  readonly name: string;
  readonly look: (known: Known) => string | Skipped | undefined;
}

/** The facts of a check are not known. */
export interface Skipped {
  readonly skipped: string;
}
export const skipped = (why: string): Skipped => ({ skipped: why });

/** The text of a fault; undefined where there is none. */
export const faultOf = (found: string | Skipped | undefined): string | undefined =>
  typeof found === 'string' ? found : undefined;

/** Verifiers tolerate less, and a clock that is set by NTP is never that far off. Both times are cut to seconds. */
const CLOCK_MS = 6_000;

/** Whether a clock, in ms, is not that of this machine. */
export const isOff = (at: number, { now }: Facts): boolean => Math.abs(now - at) > CLOCK_MS;

export const isSignInPage = ({ status, body }: Reply): boolean =>
  (status >= 300 && status < 400) || (status === 403 && body === undefined);

export const errorOf = ({ body }: Reply): string => String(Object(body?.error).message ?? 'no JSON');

export const listOf = (value: unknown): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(value) ? value.map(Object) : [];
