/** What the broker logs for those who watch it rather than prove something by it (the audit log is for that). */
export const SECURITY_EVENTS = ['auth_success', 'auth_failure', 'rate_limit'] as const;

/** A point of Analytics Engine: strings to group by, in a fixed order, and one to sample by. */
export interface DataPoint {
  readonly indexes: [string];
  readonly blobs: string[];
  readonly doubles: number[];
}

/** Order of the blobs, `blob1` first. New ones go to the end: queries count them by place. */
export const BLOBS = ['event', 'method', 'path', 'tier', 'principal', 'auth_method', 'reason'] as const;

/** The point for a log line, or `undefined` for one that is no security event. Holds nothing that the line does not. */
export function dataPointOf(line: Readonly<Record<string, unknown>>): DataPoint | undefined {
  if (!SECURITY_EVENTS.some((name) => name === line.event)) return undefined;
  return {
    indexes: [String(line.event)],
    blobs: BLOBS.map((name) => (typeof line[name] === 'string' ? line[name] : '')),
    doubles: [1],
  };
}
