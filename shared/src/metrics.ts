import { isPointSink, type PointSink } from './security-events.ts';

/*
 * The series of broker and agent worker. Prometheus and Analytics Engine have the same names. Labels come from closed
 * lists, because otherwise a caller could create series: outcomes and kinds, codes of the list of denials, slugs of the
 * registry, states of keys, reasons of ends.
 */

/**
 * The source of a series. `broker`: each process or isolate counts. `databases`: the broker reads the databases.
 * `sessions`: the agent worker counts, and a broker on Node counts the events in the audit log. `gate`: the gate counts,
 * and the audit log has no event to count.
 */
type Source = 'broker' | 'databases' | 'sessions' | 'gate';

export interface SeriesRow {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly Label[];
  readonly source: Source;
}

/**
 * Order of the labels in a point of Analytics Engine, from `blob2` on. Add a new label at the end, because queries name
 * labels by their position.
 */
export const LABELS = ['outcome', 'code', 'agent', 'kind', 'state', 'reason'] as const;
type Label = (typeof LABELS)[number];
export type Labels = Readonly<Partial<Record<Label, string>>>;

export const SERIES = {
  tickets_total: {
    type: 'counter',
    help: 'Requests for tickets that were decided, or that ended in an outage or a fault, by outcome, code of the refusal and agent.',
    labels: ['outcome', 'code', 'agent'],
    source: 'broker',
  },
  mint_seconds: {
    type: 'histogram',
    help: 'Time from request to ticket or refusal.',
    labels: [],
    source: 'broker',
  },
  upgrades_total: {
    type: 'counter',
    help: 'Requests for sockets at the gate, by outcome, code of the refusal and agent.',
    labels: ['outcome', 'code', 'agent'],
    source: 'gate',
  },
  sessions_closed_total: {
    type: 'counter',
    help: 'Sessions that have ended, by reason.',
    labels: ['reason'],
    source: 'sessions',
  },
  frames_denied_total: {
    type: 'counter',
    help: 'Frames that were refused for their scope or by code of the agent.',
    labels: ['agent'],
    source: 'sessions',
  },
  renewals_total: {
    type: 'counter',
    help: 'Renewals of sessions, renewed or refused.',
    labels: ['outcome'],
    source: 'sessions',
  },
  revocations_total: {
    type: 'counter',
    help: 'Revocations that were made.',
    labels: ['kind'],
    source: 'broker',
  },
  revocation_close_seconds: {
    type: 'histogram',
    help: 'Time until agent workers had ended the sessions of a revocation.',
    labels: [],
    source: 'broker',
  },
  key_fetches_total: {
    type: 'counter',
    help: 'Fetches of key sets of other issuers.',
    labels: ['outcome'],
    source: 'broker',
  },
  sessions_open: {
    type: 'gauge',
    help: 'Live sessions in the record database.',
    labels: ['agent'],
    source: 'databases',
  },
  outbox_waiting: {
    type: 'gauge',
    help: 'Changes that were not yet delivered to every receiver.',
    labels: [],
    source: 'databases',
  },
  record_backlog_events: {
    type: 'gauge',
    help: 'Events on their way to the record database.',
    labels: [],
    source: 'databases',
  },
  record_backlog_age_seconds: {
    type: 'gauge',
    help: 'Age of the oldest event on its way to the record database.',
    labels: [],
    source: 'databases',
  },
  seal_age_seconds: {
    type: 'gauge',
    help: 'Age of the last checkpoint of the audit log.',
    labels: [],
    source: 'databases',
  },
  signing_key_age_seconds: {
    type: 'gauge',
    help: 'Age of the ticket keys by state.',
    labels: ['state'],
    source: 'databases',
  },
  webhooks_failing: {
    type: 'gauge',
    help: 'Receivers whose last delivery failed.',
    labels: [],
    source: 'databases',
  },
} as const satisfies Readonly<Record<string, SeriesRow>>;
export type SeriesName = keyof typeof SERIES;
export const rowOf = (name: SeriesName): SeriesRow => SERIES[name];

/** Adds to a counter (default: 1), sets a gauge, or observes a value of a histogram. */
export type Measure = (name: SeriesName, labels?: Labels, value?: number) => void;

/** One value of a gauge. */
export interface Sample {
  readonly name: SeriesName;
  readonly labels?: Labels;
  readonly value: number;
}

/** {@link Measure} for a deployment without metrics. */
export const measureNothing: Measure = () => {};

/**
 * {@link Measure} that writes points. Index and `blob1` are the series, then the {@link LABELS}. `double1` is the
 * value.
 */
export const measureByPoints = (points: PointSink | undefined): Measure =>
  isPointSink(points)
    ? (name, labels = {}, value = 1) =>
        points.writeDataPoint({
          indexes: [name],
          blobs: [name, ...LABELS.map((label) => labels[label] ?? '')],
          doubles: [value],
        })
    : measureNothing;
