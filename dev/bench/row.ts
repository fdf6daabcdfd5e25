import type { FloorSpec, Measure, RowSpec } from './rounds.ts';
import type { Servers } from './servers.ts';

/** How one operand of a row is measured: what it needs is started or prepared once, before its first round. */
type Prepare = (servers: Servers, forMs: number) => Promise<Measure>;

/** A row of the bench with its measures. */
export interface Row extends RowSpec {
  readonly ours: Prepare;
  readonly floors: readonly (FloorSpec & { readonly prepare: Prepare })[];
  /** Whether `npm run bench:quick` has it. */
  readonly isQuick: boolean;
  /** For rows that take long: this many rounds and no more, without one that warms up. */
  readonly rounds?: number;
}
