import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import type { ArrivedRevocation } from '@agent-ticket/drizzle/record/revocations.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { REVOCATION_FRESH_MS, type Revocation } from '@agent-ticket/shared/revocation.ts';

/** Revocations that may hit a valid ticket are held up to this number: some megabytes. With more of them gates ask by target. */
export const MOST_HELD = 10_000;

/** The record database is read at most four times a second for all gates of a recorder. */
const PACE_MS = 250;
/** How long gates ask by target before the recorder tries again to hold all. */
const TOO_MANY_MS = 30_000;

/** What arrived in the record database after a number. */
export type Arrivals =
  | {
      readonly kind: 'arrived';
      readonly revocations: readonly Revocation[];
      /** Where to continue. */
      readonly through: number;
      /** How long ago the record database was read, in ms. */
      readonly ageMs: number;
    }
  | { readonly kind: 'too_many'; readonly forMs: number }
  /** An outage as a value: an error loses its kind on the way out of an object. */
  | { readonly kind: 'unavailable' };

interface ArrivalPorts {
  readonly listArrived: (after: number, withinMs: number, limit: number) => Promise<ArrivedRevocation[]>;
  /** Milliseconds; only differences matter. */
  readonly clock: () => number;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/**
 * The revocations that can hit a valid ticket, read from the record database for many gates: each read asks for what
 * arrived since the one before. Callers await one promise together, which only the requests of one Durable Object may.
 */
export function createArrivals({ listArrived, clock, log }: ArrivalPorts) {
  let held: { readonly revocation: ArrivedRevocation; readonly readAt: number }[] = [];
  let through = 0;
  let triedAt = Number.NEGATIVE_INFINITY;
  let readAt: number | undefined;
  let tooManyUntil = Number.NEGATIVE_INFINITY;
  let isFailing = false;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    const now = clock();
    triedAt = now;
    readAt = undefined;
    try {
      const arrived = await listArrived(through, REVOCATION_FRESH_MS, MOST_HELD + 1);
      const firstKept = held.findIndex((each) => now - each.readAt <= REVOCATION_FRESH_MS);
      held = firstKept === -1 ? [] : held.slice(firstKept);
      if (held.length + arrived.length > MOST_HELD) {
        held = [];
        through = 0;
        tooManyUntil = now + TOO_MANY_MS;
        log({ event: 'revocations_too_many' });
        return;
      }
      held.push(...arrived.map((revocation) => ({ revocation, readAt: now })));
      through = arrived.at(-1)?.arrival ?? through;
      readAt = now;
      isFailing = false;
    } catch (error) {
      if (!isOutage(error)) throw error;
      // One line for an outage, not four in each second of it.
      if (!isFailing) log({ event: 'record_unread', error: describeError(error) });
      isFailing = true;
    }
  }

  /** Those held that arrived after a number; they are in order, and most callers have all but the last. */
  function heldAfter(number: number): Revocation[] {
    let from = held.length;
    while ((held[from - 1]?.revocation.arrival ?? number) > number) from -= 1;
    return held.slice(from).map(({ revocation: { arrival: _, ...revocation } }) => revocation);
  }

  return async (after: number): Promise<Arrivals> => {
    const age = clock() - triedAt;
    // A clock that was set back must not stop the reads.
    if (clock() >= tooManyUntil && (age >= PACE_MS || age < 0))
      reading ??= read().finally(() => {
        reading = undefined;
      });
    await reading;
    const now = clock();
    if (now < tooManyUntil) return { kind: 'too_many', forMs: tooManyUntil - now };
    if (readAt === undefined) return { kind: 'unavailable' };
    return { kind: 'arrived', revocations: heldAfter(after), through, ageMs: now - readAt };
  };
}
