/*
 * The series of the broker. Prometheus and Analytics Engine have the same names. Labels come from closed lists, or a caller
 * could make series: outcomes and kinds, codes of the list of denials, slugs of the registry, states of keys.
 */

/** Upper bounds of the buckets of times, in seconds. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface SeriesRow {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly Label[];
}

/**
 * Order of the labels in a point of Analytics Engine, from `blob2` on. A new label goes to the end, since queries name
 * labels by their position.
 */
export const LABELS = ['outcome', 'code', 'agent', 'kind', 'state'] as const;
type Label = (typeof LABELS)[number];
export type Labels = Readonly<Partial<Record<Label, string>>>;

export const SERIES = {
  tickets_total: {
    type: 'counter',
    help: 'Requests for tickets that were decided, by outcome, code of the refusal and agent.',
    labels: ['outcome', 'code', 'agent'],
  },
  mint_seconds: { type: 'histogram', help: 'From request to ticket or refusal.', labels: [] },
  revocations_total: { type: 'counter', help: 'Revocations that were made.', labels: ['kind'] },
  revocation_close_seconds: {
    type: 'histogram',
    help: 'Time in which agent workers ended the sessions of a revocation.',
    labels: [],
  },
  key_fetches_total: { type: 'counter', help: 'Fetches of key sets of other issuers.', labels: ['outcome'] },
  sessions_open: { type: 'gauge', help: 'Sessions that the record database has as live.', labels: ['agent'] },
  outbox_waiting: { type: 'gauge', help: 'Changes that are not delivered everywhere.', labels: [] },
  record_backlog_events: { type: 'gauge', help: 'Events on their way to the record database.', labels: [] },
  record_backlog_age_seconds: { type: 'gauge', help: 'Age of the oldest of them.', labels: [] },
  seal_age_seconds: { type: 'gauge', help: 'Age of the last checkpoint of the audit log.', labels: [] },
  signing_key_age_seconds: { type: 'gauge', help: 'Age of the ticket keys by state.', labels: ['state'] },
  webhooks_failing: { type: 'gauge', help: 'Receivers whose last delivery failed.', labels: [] },
} as const satisfies Readonly<Record<string, SeriesRow>>;
export type SeriesName = keyof typeof SERIES;
const rowOf = (name: SeriesName): SeriesRow => SERIES[name];

/** Adds to a counter (left out: 1), sets a gauge, or observes a value of a histogram. */
export type Measure = (name: SeriesName, labels?: Labels, value?: number) => void;

/** One value, as a gauge is read. */
export interface Sample {
  readonly name: SeriesName;
  readonly labels?: Labels;
  readonly value: number;
}

interface Buckets {
  readonly counts: number[];
  sum: number;
  count: number;
}

/** Counts in the memory of this process, and writes them down as Prometheus text (exposition format 0.0.4). */
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
      const names = Object.keys(SERIES).filter((name): name is SeriesName => name in SERIES);
      return names.map((name) => textOf(name, counters.get(name), histograms.get(name), gauges)).join('');
    },
  };
}

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
 * `{agent="chat"}`, with every label of the series. A label that does not apply is empty, which Prometheus treats as
 * absent.
 */
function labelText({ labels: names }: SeriesRow, labels: Labels): string {
  if (names.length === 0) return '';
  const escaped = (text: string): string =>
    text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return `{${names.map((name) => `${name}="${escaped(labels[name] ?? '')}"`).join(',')}}`;
}

/** The part of an Analytics Engine binding that is used here. */
interface MetricPoints {
  writeDataPoint(point: { indexes: [string]; blobs: string[]; doubles: number[] }): void;
}

/** {@link Measure} where nobody wants the values. */
export const measureNothing: Measure = () => {};

/** {@link Measure} by points: index and `blob1` are the series, then the {@link LABELS}; `double1` is the value. */
export const measureByPoints = (points: MetricPoints | undefined): Measure =>
  points === undefined
    ? measureNothing
    : (name, labels = {}, value = 1) =>
        points.writeDataPoint({
          indexes: [name],
          blobs: [name, ...LABELS.map((label) => labels[label] ?? '')],
          doubles: [value],
        });
