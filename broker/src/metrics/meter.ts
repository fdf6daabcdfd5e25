import type { Labels, Measure, Sample, SeriesName, SeriesRow } from '@agent-ticket/shared/metrics.ts';
import { rowOf, SERIES } from '@agent-ticket/shared/metrics.ts';

/** Upper bounds of the buckets of a histogram, in seconds. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface Buckets {
  readonly counts: number[];
  sum: number;
  count: number;
}

/** Counts in the memory of this process, and formats the counts as Prometheus text (exposition format 0.0.4). */
export function createMeter(): { readonly measure: Measure; text(gauges: readonly Sample[]): string } {
  const counters = new Map<SeriesName, Map<string, number>>();
  const histograms = new Map<SeriesName, Buckets>();

  const measure: Measure = (name, labels = {}, value = 1) => {
    const row = rowOf(name);
    if (row.type === 'histogram') {
      const held = histograms.get(name) ?? { counts: SECONDS.map(() => 0), sum: 0, count: 0 };
      for (const [index, bound] of SECONDS.entries())
        if (value <= bound) held.counts[index] = (held.counts[index] ?? 0) + 1;
      held.sum += value;
      held.count += 1;
      histograms.set(name, held);
      return;
    }
    const held = counters.get(name) ?? new Map<string, number>();
    const key = labelText(row, labels);
    held.set(key, (held.get(key) ?? 0) + value);
    counters.set(name, held);
  };

  return {
    measure,
    text(gauges) {
      const names = Object.keys(SERIES).filter(isHere);
      return names.map((name) => textOf(name, counters.get(name), histograms.get(name), gauges)).join('');
    },
  };
}

/** A broker process does not have the series of the gate. */
const isHere = (name: string): name is SeriesName =>
  Object.entries(SERIES).some(([known, { source }]) => known === name && source !== 'gate');

function textOf(
  name: SeriesName,
  counter: ReadonlyMap<string, number> | undefined,
  histogram: Buckets | undefined,
  gauges: readonly Sample[],
): string {
  const row = rowOf(name);
  const head = `# HELP ${name} ${row.help}\n# TYPE ${name} ${row.type}\n`;
  if (row.type === 'gauge') {
    const own = gauges.filter((gauge) => gauge.name === name);
    return head + own.map(({ labels = {}, value }) => `${name}${labelText(row, labels)} ${value}\n`).join('');
  }
  if (row.type === 'counter')
    return head + [...(counter ?? [])].map(([labels, value]) => `${name}${labels} ${value}\n`).join('');
  const { counts, sum, count } = histogram ?? { counts: SECONDS.map(() => 0), sum: 0, count: 0 };
  const buckets = SECONDS.map((bound, index) => `${name}_bucket{le="${bound}"} ${counts[index] ?? 0}\n`);
  return `${head}${buckets.join('')}${name}_bucket{le="+Inf"} ${count}\n${name}_sum ${sum}\n${name}_count ${count}\n`;
}

/**
 * `{agent="chat"}`, with every label of the series. A label that does not apply is empty. Prometheus treats an empty label
 * as absent.
 */
function labelText({ labels: names }: SeriesRow, labels: Labels): string {
  if (names.length === 0) return '';
  const escaped = (text: string): string =>
    text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return `{${names.map((name) => `${name}="${escaped(labels[name] ?? '')}"`).join(',')}}`;
}
