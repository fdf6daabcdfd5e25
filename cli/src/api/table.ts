import type { Json } from './client.ts';
import { cut, plain, widthOf } from './plain-text.ts';

export interface Column {
  readonly title: string;
  /** The text of the cell. `now` in ms. */
  readonly of: (row: Json, now: number) => string;
  /** The least width to which it is cut; left out: it is shown whole, since people copy it. */
  readonly least?: number;
  /** Cut in its middle: names of one issuer or agent differ at their ends. */
  readonly keepsEnd?: true;
  /** Left out of a table that does not fit, the greatest first. */
  readonly spare?: number;
}

const GAP = 2;

/**
 * Lines of a table that comes in pages, of which the first decides the widths. At most `columns` wide, unless what is
 * shown whole is wider.
 */
export function tableOf(all: readonly Column[], columns: number | undefined) {
  let fitted: readonly Fitted[] | undefined;
  return (page: readonly Json[], now: number): string => {
    const rows = page.map((row) => all.map((column) => plain(column.of(row, now))));
    const isFirst = fitted === undefined;
    fitted ??= fit(all, rows, columns);
    const lines = isFirst ? [all.map(({ title }) => title), ...rows] : rows;
    return lines.map((cells) => lineOf(cells, fitted ?? [], columns !== undefined)).join('');
  };
}

interface Fitted extends Column {
  readonly index: number;
  readonly width: number;
}

const lineOf = (cells: readonly string[], fitted: readonly Fitted[], isCut: boolean): string =>
  `${fitted
    .map(({ index, width, least, keepsEnd = false }) => {
      const text = cells[index] ?? '';
      const shown = isCut && least !== undefined ? cut(text, width, keepsEnd) : text;
      return shown + ' '.repeat(Math.max(0, width - widthOf(shown)));
    })
    .join(' '.repeat(GAP))
    .trimEnd()}\n`;

const total = (widths: readonly number[]): number =>
  widths.reduce((sum, width) => sum + width, GAP * (widths.length - 1));

function fit(
  all: readonly Column[],
  rows: readonly (readonly string[])[],
  columns = Number.POSITIVE_INFINITY,
): Fitted[] {
  const widths = all.map((column, index) => ({
    ...column,
    index,
    width: Math.max(widthOf(column.title), ...rows.map((cells) => widthOf(cells[index] ?? ''))),
  }));
  const leastOf = ({ width, least = width }: Fitted): number => Math.min(width, least);
  let kept: Fitted[] = widths;
  while (total(kept.map(leastOf)) > columns) {
    const [first] = kept
      .filter(({ spare }) => spare !== undefined)
      .toSorted((a, b) => (b.spare ?? 0) - (a.spare ?? 0));
    if (first === undefined) break;
    kept = kept.filter((column) => column !== first);
  }
  while (total(kept.map(({ width }) => width)) > columns) {
    const [widest] = kept
      .filter((column) => column.width > leastOf(column))
      .toSorted((a, b) => b.width - a.width);
    if (widest === undefined) break;
    kept = kept.map((column) => (column === widest ? { ...column, width: column.width - 1 } : column));
  }
  return kept;
}
