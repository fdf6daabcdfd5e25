import { CHAIN_START } from '../../src/audit/chain.ts';
import type { CheckpointClaims } from '../../src/audit/checkpoint.ts';
import type { EventTrail } from './event-trail.ts';
import type { Faults } from './verification.ts';

/** Looks for a checkpoint that was kept elsewhere: where it fits, nothing before it was cut off the end. */
export class AnchorWatch {
  readonly #anchor: CheckpointClaims | undefined;
  readonly #faults: Faults;
  #found = false;

  constructor(anchor: CheckpointClaims | undefined, faults: Faults) {
    this.#anchor = anchor;
    this.#faults = faults;
  }

  get found(): boolean {
    return this.#found;
  }

  compare({ n, hash }: CheckpointClaims): void {
    if (this.#anchor?.n !== n) return;
    this.#found = true;
    if (this.#anchor.hash !== hash) this.#faults.tail.push(`checkpoint ${n} is another one than the anchor`);
  }

  /** At the end of the export, for an anchor that is no line of it. Answers up to where events are proven. */
  async provenThrough(last: CheckpointClaims | undefined, events: EventTrail): Promise<number> {
    const anchor = this.#anchor;
    const proven = last?.through ?? 0;
    if (anchor === undefined || this.#found) return proven;
    const fault = (text: string): number => {
      this.#faults.tail.push(text);
      return proven;
    };
    if (anchor.through > events.end)
      return fault(`it ends with event ${events.end}, but the anchor covers events up to ${anchor.through}`);
    if (last !== undefined && anchor.n < last.n)
      return fault('the checkpoint that is the anchor is not in it');
    const head = await events.headAfter(last?.hash ?? CHAIN_START, proven, anchor.through);
    this.#found = head === anchor.hash;
    return this.#found
      ? anchor.through
      : fault('the events after the last checkpoint are not what the anchor covers');
  }
}
