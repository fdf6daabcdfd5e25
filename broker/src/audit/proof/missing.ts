/** Numbers that should have come and did not, as ranges, so that a hole of a million costs no more than one of two. */
export function createMissing() {
  let ranges: { readonly from: number; readonly to: number }[] = [];
  return {
    add(from: number, to: number): void {
      ranges.push({ from, to });
    },

    /** Removes a number that came late. Whether it was missing. */
    found(number: number): boolean {
      const hole = ranges.find(({ from, to }) => from <= number && number <= to);
      if (hole === undefined) return false;
      ranges = ranges.flatMap((range) =>
        range === hole
          ? [
              { from: hole.from, to: number - 1 },
              { from: number + 1, to: hole.to },
            ].filter(({ from, to }) => from <= to)
          : [range],
      );
      return true;
    },

    describe: (noun: string): string[] =>
      ranges.map(({ from, to }) =>
        from === to ? `${noun} ${from} is missing` : `${noun}s ${from} to ${to} are missing`,
      ),
  };
}
