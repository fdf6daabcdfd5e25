/** The result of a verification, question by question. Empty lists: no fault. */
export interface Verification {
  readonly events: number;
  readonly checkpoints: number;
  /** The first event that it can hold. Of earlier ones the export proves nothing, an anchor included. */
  readonly from: number;
  /** Events up to here were purged, as a signed `audit.purged` in it says; 0: none says so. */
  readonly purgedThrough: number;
  /** Events that are not what a checkpoint signed, and checkpoints that no key signed. */
  readonly content: readonly string[];
  /** Events and checkpoints out of their place, or twice. */
  readonly order: readonly string[];
  /** Missing events and checkpoints. */
  readonly gaps: readonly string[];
  readonly tail: Tail;
}

interface Tail {
  readonly faults: readonly string[];
  /** Events up to here are what was signed, if there is nothing in the other lists. */
  readonly provenThrough: number;
  /** Events after that: in no checkpoint yet. */
  readonly unproven: number;
  /** Whether an anchor shows that nothing before it was cut off the end. Unknown without an anchor. */
  readonly anchored: boolean;
}

/** Whether an export has no fault. An end without an anchor is none, only unproven. */
export const isSound = ({ content, order, gaps, tail }: Verification): boolean =>
  [content, order, gaps, tail.faults].every((list) => list.length === 0);

/** Faults of an export while it is read, in the order of its lines. Gaps are known only at its end. */
export interface Faults {
  readonly content: string[];
  readonly order: string[];
  readonly tail: string[];
}
