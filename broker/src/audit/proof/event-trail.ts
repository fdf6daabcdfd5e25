import { chainOn } from '../chain.ts';
import type { CheckpointClaims } from '../checkpoint.ts';
import { purgedThrough } from './export-line.ts';
import { createMissing } from './missing.ts';
import type { Faults } from './verification.ts';

/** Stands for the head after an event that has no canonical form, which nobody signed. */
const NO_HEAD = '';

/** The events of an export: their numbers without a hole, and their content against what checkpoints signed. */
export class EventTrail {
  readonly #faults: Faults;
  readonly #beginning: string[] = [];
  readonly #lost = createMissing();
  readonly #twice = new Set<number>();
  /** Those that no checkpoint has covered yet. */
  #waiting = new Map<number, unknown>();
  #count = 0;
  #begins = 1;
  #purgedThrough = 0;
  /** The greatest number that came; undefined until it is known where the export begins. */
  #reached: number | undefined;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  get count(): number {
    return this.#count;
  }

  /** The first number that can be in the export; 1 until it is known. */
  get begins(): number {
    return this.#begins;
  }

  /** As signed events say. */
  get purgedThrough(): number {
    return this.#purgedThrough;
  }

  get begun(): boolean {
    return this.#reached !== undefined;
  }

  get end(): number {
    return this.#reached ?? 0;
  }

  gaps = (): string[] => [...this.#beginning, ...this.#lost.describe('event')];

  begin(after: number): void {
    this.#reached = after;
    this.#begins = after + 1;
  }

  /** Events that the export says are missing. */
  skip(from: number, through: number): void {
    if (!this.begun) this.begin(from - 1);
    if (from > this.end + 1) this.#lost.add(this.end + 1, from - 1);
    this.#reached = Math.max(this.end, through);
  }

  take(number: number, event: unknown): void {
    this.#count += 1;
    if (!this.begun && number > 1) {
      this.#beginning.push(`it begins with event ${number} and without the checkpoint before it`);
      this.begin(number - 1);
    }
    const reached = this.end;
    if (number > reached + 1) this.#lost.add(reached + 1, number - 1);
    if (number <= reached) this.#takeLate(number, reached);
    this.#reached = Math.max(reached, number);
    if (!this.#waiting.has(number)) this.#waiting.set(number, event);
  }

  #takeLate(number: number, reached: number): void {
    const late = this.#lost.found(number);
    this.#faults.order.push(
      late ? `event ${number} comes after event ${reached}` : `event ${number} comes twice`,
    );
    if (!late) this.#twice.add(number);
  }

  /** Compares the events of a checkpoint's run with it, and drops them. */
  async closeRun(claims: CheckpointClaims): Promise<void> {
    const { through } = claims;
    if (through > this.end) {
      this.#lost.add(this.end + 1, through);
      this.#reached = through;
    }
    const fault = await this.#compare(claims);
    if (fault !== undefined) this.#faults.content.push(fault);
    else this.#notePurges(through);
    this.#waiting = new Map([...this.#waiting].filter(([number]) => number > through));
  }

  #notePurges(through: number): void {
    for (const [number, event] of this.#waiting)
      if (number <= through) this.#purgedThrough = Math.max(this.#purgedThrough, purgedThrough(event));
  }

  /** The fault of a run that is not the signed one. A run with a hole is a gap, and proves nothing about the rest. */
  async #compare({ through, count, previous, hash, n }: CheckpointClaims): Promise<string | undefined> {
    const head = await this.headAfter(previous, through - count, through);
    if (head === undefined || head === hash) return undefined;
    const from = through - count + 1;
    const doubled = [...this.#twice].some((number) => from <= number && number <= through);
    return doubled ? undefined : `events ${from} to ${through} are not what checkpoint ${n} signed`;
  }

  /** The head after the events of a run, in the order of their numbers; `undefined` when one is missing. */
  async headAfter(start: string, after: number, through: number): Promise<string | undefined> {
    let head: string | undefined = start;
    for (let number = after + 1; number <= through && head !== undefined; number += 1) {
      const event = this.#waiting.get(number);
      head = event === undefined ? undefined : (chainOn(head, event) ?? NO_HEAD);
    }
    return head;
  }
}
