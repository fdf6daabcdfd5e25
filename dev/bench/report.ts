import type { Bounds, FloorResult, Result, Spread } from './rounds.ts';

/** The results as a table in plain text: a line for each row, and one below it for each of its floors. */
export function table(results: readonly Result[]): string {
  const head = ['', 'row', 'figure (range)', 'ratio (range)', 'goal', 'limit', ''];
  const rows = results.flatMap((result) => [
    lineOf(result),
    ...result.floors.map((each) => floorLine(each, result)),
  ]);
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ');
  return `${all.map((row) => line(row).trimEnd()).join('\n')}\n`;
}

const lineOf = ({ name, does, unit, passed, figure, bounds }: Result): string[] => [
  passed ? 'ok' : 'SLOW',
  name,
  spreadText(figure, unit),
  '',
  ...boundTexts(bounds, unit),
  does,
];

const floorLine = ({ trips, does, figure, ratio, bounds }: FloorResult, { unit }: Result): string[] => [
  '',
  trips === 'none' ? '  floor without trips' : '  floor with trips',
  spreadText(figure, unit),
  spreadText(ratio, ''),
  ...boundTexts(bounds, ''),
  does,
];

export const boundTexts = (bounds: Bounds | undefined, unit: string): string[] =>
  bounds === undefined
    ? ['', '']
    : [number(bounds.goal) + unitText(unit), number(bounds.limit) + unitText(unit)];

export const spreadText = ({ median, min, max }: Spread, unit: string): string =>
  `${number(median)}${unitText(unit)} (${number(min)} to ${number(max)})`;

const unitText = (unit: string): string => (unit === '' || unit.startsWith('/') ? unit : ` ${unit}`);

const number = (value: number): string => (value >= 100 ? Math.round(value).toString() : value.toFixed(2));

/** What a stored result has of a row. */
type Before = Pick<Result, 'name' | 'unit'> & {
  readonly figure: Pick<Spread, 'median'>;
  readonly floors: readonly (Pick<FloorResult, 'trips'> & { readonly ratio: Pick<Spread, 'median'> })[];
};

/**
 * A line for each row with its change since a stored result. Ratios say more than figures: those of another machine, or
 * of a busier one, differ.
 */
export function changes(results: readonly Result[], stored: readonly Before[]): string {
  const lines = results.map((result) => {
    const before = stored.find(({ name, unit }) => name === result.name && unit === result.unit);
    if (before === undefined) return `${result.name}: not in the stored result`;
    const parts = [`figure ${percent(before.figure.median, result.figure.median)}`];
    for (const { trips, ratio } of result.floors) {
      const old = before.floors.find((floor) => floor.trips === trips);
      if (old === undefined) continue;
      const values = `${number(old.ratio.median)} to ${number(ratio.median)}`;
      parts.push(
        `ratio to the floor ${trips === 'none' ? 'without' : 'with'} trips ${values} (${percent(old.ratio.median, ratio.median)})`,
      );
    }
    return `${result.name}: ${parts.join(', ')}`;
  });
  return `${lines.join('\n')}\n`;
}

function percent(before: number, after: number): string {
  const change = Math.round((after / before - 1) * 100);
  return `${change < 0 ? '' : '+'}${change} %`;
}
