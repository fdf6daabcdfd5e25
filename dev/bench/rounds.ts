/** Repeats one operation for some milliseconds, several at a time, and resolves with the number of repetitions. */
export type Work = (forMs: number) => Promise<number>;

/** An operation of this project and the least that could replace it, measured in turns. */
export interface Comparison {
  readonly name: string;
  /** Descriptions of both operations. */
  readonly ours: string;
  readonly floor: string;
  /** The smallest acceptable ratio of ours to the floor. */
  readonly atLeast: number;
  readonly work: { readonly ours: Work; readonly floor: Work };
}

export interface Result {
  readonly name: string;
  readonly ours: string;
  readonly floor: string;
  /** Per second, medians over the rounds. */
  readonly perSecond: { readonly ours: number; readonly floor: number };
  /** Ours to floor in each round, so that a slow moment of the machine affects both. */
  readonly ratio: { readonly median: number; readonly min: number; readonly max: number };
  readonly atLeast: number;
  readonly passed: boolean;
}

export interface Rounds {
  readonly count: number;
  readonly forMs: number;
}

/** Measures ours and the floor in turns. The first round warms up and does not count. */
export async function compare(comparison: Comparison, { count, forMs }: Rounds): Promise<Result> {
  const rounds: { readonly ours: number; readonly floor: number }[] = [];
  for (let round = 0; round <= count; round++) {
    const ours = await comparison.work.ours(forMs);
    const floor = await comparison.work.floor(forMs);
    if (ours === 0 || floor === 0) throw new Error(`${comparison.name}: nothing was done in ${forMs} ms`);
    if (round > 0) rounds.push({ ours: (ours / forMs) * 1000, floor: (floor / forMs) * 1000 });
  }
  const ratios = rounds.map(({ ours, floor }) => ours / floor);
  const middle = median(ratios);
  return {
    name: comparison.name,
    ours: comparison.ours,
    floor: comparison.floor,
    perSecond: {
      ours: median(rounds.map(({ ours }) => ours)),
      floor: median(rounds.map(({ floor }) => floor)),
    },
    ratio: { median: middle, min: Math.min(...ratios), max: Math.max(...ratios) },
    atLeast: comparison.atLeast,
    passed: middle >= comparison.atLeast,
  };
}

/** The middle value; of an even number the mean of the two in the middle. Throws a `RangeError` on none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError('no values');
  return (upper + lower) / 2;
}

/** Work with `lanes` concurrent repetitions. It rejects when one of them does. */
export const repeated =
  (once: () => Promise<unknown>, lanes: number): Work =>
  async (forMs) => {
    const end = performance.now() + forMs;
    let done = 0;
    const lane = async () => {
      while (performance.now() < end) {
        await once();
        done++;
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    return done;
  };

/** The results as a table in plain text, one comparison in each row. */
export function table(results: readonly Result[]): string {
  const rows = results.map((result) => [
    result.passed ? 'ok' : 'SLOW',
    result.name,
    Math.round(result.perSecond.ours).toString(),
    Math.round(result.perSecond.floor).toString(),
    `${result.ratio.median.toFixed(2)} (${result.ratio.min.toFixed(2)} to ${result.ratio.max.toFixed(2)})`,
    result.atLeast.toFixed(2),
    `${result.ours} / ${result.floor}`,
  ]);
  const all = [['', 'what', 'ours/s', 'floor/s', 'ratio (range)', 'at least', 'ours / floor'], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ');
  return `${all.map((row) => line(row).trimEnd()).join('\n')}\n`;
}
