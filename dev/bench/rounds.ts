/** One round of an operation: resolves with a figure in the unit of its row. */
export type Measure = () => Promise<number>;

/** Of two figures the better one is the greater (`more`) or the smaller one (`less`). */
export type Better = 'more' | 'less';

export interface Bounds {
  readonly goal: number;
  /** The worst acceptable figure. */
  readonly limit: number;
}

/** Whether a floor goes to as many databases and objects as ours does, or to none, so that it shows what trips cost. */
export type Trips = 'none' | 'same';

export interface FloorSpec {
  readonly trips: Trips;
  readonly does: string;
  /** Of the ratio of ours to this floor. Left out: the ratio is for information. */
  readonly bounds?: Bounds;
}

export interface RowSpec {
  readonly name: string;
  readonly does: string;
  readonly unit: string;
  readonly better: Better;
  readonly floors: readonly FloorSpec[];
  /** Of our own figure, for rows without a floor. */
  readonly bounds?: Bounds;
}

/** The measures of a row, in the order of its floors. */
export interface Measures {
  readonly ours: Measure;
  readonly floors: readonly Measure[];
}

export interface Rounds {
  readonly count: number;
  /** Whether one more round, which does not count, runs first. */
  readonly warmUp: boolean;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface FloorResult extends FloorSpec {
  readonly figure: Spread;
  /** Ours to floor in each round, so that a slow moment of the machine affects both. */
  readonly ratio: Spread;
}

export interface Result extends Omit<RowSpec, 'floors'> {
  readonly rounds: number;
  readonly figure: Spread;
  readonly floors: readonly FloorResult[];
  /** Whether no figure is worse than its limit. */
  readonly passed: boolean;
}

/** Measures ours and the floors in turns; every second round begins with the floors. */
export async function measure(row: RowSpec, measures: Measures, rounds: Rounds): Promise<Result> {
  const { name, does, unit, better, bounds } = row;
  const turns = [measures.ours, ...measures.floors];
  const seen: number[][] = [];
  for (let round = rounds.warmUp ? -1 : 0; round < rounds.count; round++) {
    const figures: number[] = [];
    const order = round % 2 === 0 ? [...turns.keys()] : [...turns.keys()].reverse();
    for (const at of order) {
      const figure = await turns[at]?.();
      if (figure === undefined || !(figure > 0)) throw new Error(`${name}: a round measured ${figure}`);
      figures[at] = figure;
    }
    if (round >= 0) seen.push(figures);
  }
  const column = (at: number): number[] => seen.map((figures) => figures[at] ?? Number.NaN);
  const figure = spread(column(0));
  const floors = row.floors.map((floor, at): FloorResult => {
    const own = column(at + 1);
    return { ...floor, figure: spread(own), ratio: spread(column(0).map((ours, n) => ours / (own[n] ?? 0))) };
  });
  const passed =
    isWithin(figure.median, bounds, better) &&
    floors.every((floor) => isWithin(floor.ratio.median, floor.bounds, better));
  return {
    ...{ name, does, unit, better, ...(bounds === undefined ? {} : { bounds }) },
    ...{ rounds: seen.length, figure, floors, passed },
  };
}

const isWithin = (value: number, bounds: Bounds | undefined, better: Better): boolean =>
  bounds === undefined || (better === 'more' ? value >= bounds.limit : value <= bounds.limit);

const spread = (values: readonly number[]): Spread => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
});

/** The middle value; of an even number the mean of the two in the middle. Throws a `RangeError` on none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError('no values');
  return (upper + lower) / 2;
}

/** Resolves with `false` when it can be done no more. */
export type Once = () => Promise<unknown>;

/**
 * Repeats operations for some milliseconds, each lane one after the other and all lanes at once. Resolves with the
 * repetitions per second, and rejects when one of them does. A lane ends early when its operation can be done no more.
 */
export async function perSecond(lanes: readonly Once[], forMs: number): Promise<number> {
  const begin = performance.now();
  const end = begin + forMs;
  let done = 0;
  await Promise.all(
    lanes.map(async (once) => {
      do {
        if ((await once()) === false) return;
        done++;
      } while (performance.now() < end);
    }),
  );
  return (done * 1000) / (performance.now() - begin);
}

/** Milliseconds for each repetition by one caller. */
export const msEach = async (once: Once, forMs: number): Promise<number> =>
  1000 / (await perSecond([once], forMs));
