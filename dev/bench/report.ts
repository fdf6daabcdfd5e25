import type { Result } from './rounds.ts';

/** The results as lines for a person, one contest each. */
export function table(results: readonly Result[]): string {
  const rows = results.map((result) => [
    result.holds ? 'ok' : 'SLOW',
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
