/** What both workers log for those who watch rather than prove something by it (the audit log is for that). */
const SECURITY_EVENTS = ['auth_success', 'auth_failure', 'rate_limit', 'refusals'] as const;

/** A point of Analytics Engine: strings to group by, in a fixed order, one to sample by, and how many it stands for. */
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

/** Where points go; what an Analytics Engine binding is. */
export interface PointSink {
  writeDataPoint(point: DataPoint): void;
}

/** A log that also goes to Analytics Engine, where it is bound: a security event there is a number, here a line. */
export const logWithPoints =
  (log: (event: Readonly<Record<string, unknown>>) => void, points: PointSink | undefined) =>
  (event: Readonly<Record<string, unknown>>): void => {
    log(event);
    const point = dataPointOf(event);
    if (point !== undefined) points?.writeDataPoint(point);
  };

/** The point for a log line, or `undefined` for one that is no security event. Holds nothing that the line does not. */
export function dataPointOf(line: Readonly<Record<string, unknown>>): DataPoint | undefined {
  if (!SECURITY_EVENTS.some((name) => name === line.event)) return undefined;
  return {
    indexes: [String(line.event)],
    blobs: BLOBS.map((name) => (typeof line[name] === 'string' ? line[name] : '')),
    doubles: [typeof line.count === 'number' ? line.count : 1],
  };
}
