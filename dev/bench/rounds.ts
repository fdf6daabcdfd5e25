/** Does one thing again and again for some milliseconds, several at a time, and says how many it did. */
export type Work = (forMs: number) => Promise<number>;

/** One thing of ours and the least that could be done in its place, to be measured in turns. */
export interface Contest {
  readonly name: string;
  /** What ours does, and what the floor does, in words. */
  readonly ours: string;
  readonly floor: string;
  /** The smallest ratio of ours to the floor that is right. */
  readonly atLeast: number;
  readonly work: { readonly ours: Work; readonly floor: Work };
}

export interface Result {
  readonly name: string;
  readonly ours: string;
  readonly floor: string;
  /** Per second, medians over the rounds. */
  readonly perSecond: { readonly ours: number; readonly floor: number };
  /** Ours to floor in each round, so that a slow moment of the machine meets both. */
  readonly ratio: { readonly median: number; readonly min: number; readonly max: number };
  readonly atLeast: number;
  readonly holds: boolean;
}

export interface Rounds {
  readonly count: number;
  readonly forMs: number;
}

/** Ours and the floor in turns; the first round is for warming up and does not count. */
export async function hold(contest: Contest, { count, forMs }: Rounds): Promise<Result> {
  const rounds: { readonly ours: number; readonly floor: number }[] = [];
  for (let round = 0; round <= count; round++) {
    const ours = await contest.work.ours(forMs);
    const floor = await contest.work.floor(forMs);
    if (ours === 0 || floor === 0) throw new Error(`${contest.name}: nothing was done in ${forMs} ms`);
    if (round > 0) rounds.push({ ours: (ours / forMs) * 1000, floor: (floor / forMs) * 1000 });
  }
  const ratios = rounds.map(({ ours, floor }) => ours / floor);
  const middle = median(ratios);
  return {
    name: contest.name,
    ours: contest.ours,
    floor: contest.floor,
    perSecond: {
      ours: median(rounds.map(({ ours }) => ours)),
      floor: median(rounds.map(({ floor }) => floor)),
    },
    ratio: { median: middle, min: Math.min(...ratios), max: Math.max(...ratios) },
    atLeast: contest.atLeast,
    holds: middle >= contest.atLeast,
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

/** Work that keeps `lanes` repetitions under way. A repetition that fails fails the whole. */
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
