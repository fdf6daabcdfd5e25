/** Security events that both workers log for monitoring. The audit log, not this one, is evidence. */
const SECURITY_EVENTS = ['auth_success', 'auth_failure', 'rate_limit', 'refusals'] as const;

/** A point of Analytics Engine: strings to group by, one to sample by, and the number of events in the point. */
interface DataPoint {
  readonly indexes: [string];
  readonly blobs: string[];
  readonly doubles: number[];
}

/** Order of the blobs, `blob1` first. New ones go to the end: queries count them by place. */
const BLOBS = [
  'event',
  'method',
  'path',
  'tier',
  'principal',
  'auth_method',
  'reason',
  'agent',
  'minute',
] as const;

/** The interface of an Analytics Engine binding. */
export interface PointSink {
  writeDataPoint(point: DataPoint): void;
}

/** Whether a binding is a dataset: an app may have a variable of that name. */
export const isPointSink = (binding: PointSink | undefined): binding is PointSink =>
  typeof binding?.writeDataPoint === 'function';

/** A log that also writes security events to Analytics Engine, where it is bound, so that they can be counted. */
export const logWithPoints =
  (log: (event: Readonly<Record<string, unknown>>) => void, points: PointSink | undefined) =>
  (event: Readonly<Record<string, unknown>>): void => {
    log(event);
    const point = dataPointOf(event);
    if (point !== undefined && isPointSink(points)) points.writeDataPoint(point);
  };

/** The point for a log line, or `undefined` for one that is no security event. Contains only values of the line. */
export function dataPointOf(line: Readonly<Record<string, unknown>>): DataPoint | undefined {
  if (!SECURITY_EVENTS.some((name) => name === line.event)) return undefined;
  return {
    indexes: [String(line.event)],
    blobs: BLOBS.map((name) => (typeof line[name] === 'string' ? line[name] : '')),
    doubles: [typeof line.count === 'number' ? line.count : 1],
  };
}
