import { type Targetable, targetNamesOf } from '@agent-ticket/shared/target.ts';
import type { RecordDatabase } from './database.ts';
import { selectLocks } from './locks.ts';
import { selectRecalls } from './recalls.ts';

/** Why a ticket, or the session that it opened, counts no more: a lock stands on it, or it was recalled. */
export type WhyStopped = 'locked' | 'rights_changed';

/** What locks and recalls can be about. */
export interface Stoppable extends Targetable {
  /** When the ticket was issued, in ms. */
  readonly issuedAt: number;
}

/** How many questions {@link selectStops} asks. */
export const STOP_QUESTIONS = 2;

/** Questions whose answers {@link readStops} reads. For use inside a `batch`. `now` in ms. */
export function selectStops(db: RecordDatabase, hit: Stoppable, now: number) {
  const targets = targetNamesOf(hit);
  return [selectLocks(db, targets, now), selectRecalls(db, { ...hit, targets })] as const;
}

/** What the answers to {@link selectStops} say. Whoever is locked out need not come back with a new ticket. */
export function readStops([locks, recalls]: readonly unknown[]): WhyStopped | undefined {
  if (hasRows(locks)) return 'locked';
  return hasRows(recalls) ? 'rights_changed' : undefined;
}

const hasRows = (result: unknown): boolean => Array.isArray(result) && result.length > 0;

/** Asks about one ticket by itself: for requests that open no session, and for renewals. */
export const whyStopped = async (
  db: RecordDatabase,
  hit: Stoppable,
  now: number,
): Promise<WhyStopped | undefined> => readStops(await db.batch(selectStops(db, hit, now)));
