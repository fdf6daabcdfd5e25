/** A small deterministic generator (mulberry32), so that a property that fails once fails every time. */
export function createRandom(seed: number) {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    /** From 0 to below 1. */
    next,
    below,
    chance: (probability: number): boolean => next() < probability,
    pick: <T>(items: readonly [T, ...T[]]): T => items[below(items.length)] ?? items[0],
    subset: <T>(items: readonly T[]): T[] => items.filter(() => next() < 0.5),
    text: (alphabet: string, length: number): string =>
      Array.from({ length }, () => alphabet.charAt(below(alphabet.length))).join(''),
  };
}
