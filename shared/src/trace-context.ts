/**
 * Where a request is in the trace of its caller (W3C Trace Context, level 1). It names log lines and is sent on; nothing is
 * decided by it, since every caller can choose it.
 */
export interface Trace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** This request in the trace, 16 hexadecimal digits: the end of its request id. */
  readonly spanId: string;
  /** The caller's span. Left out: the trace begins here. */
  readonly parentId?: string;
  /** Whether the caller may have recorded it. */
  readonly isSampled: boolean;
}

/** A request by our name of it and by that of its caller. Plain data: it travels to objects. */
export interface NamedRequest {
  /** UUID, ours. */
  readonly requestId: string;
  readonly trace: Trace;
}

export const TRACEPARENT = 'traceparent';

/** Of version 00 exactly this; a later version may go on after one more hyphen (§3.2.4 of the standard). */
const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** Far above version 00, which has 55, and all that is read of a later one. */
const MOST_CHARACTERS = 256;
const ZEROS = /^0+$/;

/**
 * The trace of a request with this id, a UUID. Where its header `traceparent` is missing, repeated, not valid or longer
 * than 256 characters, a trace begins whose id is the request's, and which nobody records.
 */
function traceOf(headers: Headers, requestId: string): Trace {
  const hex = requestId.replaceAll('-', '').toLowerCase();
  const spanId = hex.slice(-16);
  const text = headers.get(TRACEPARENT) ?? '';
  const [, version = 'ff', traceId = '', parentId = '', flags = '', rest] =
    (text.length <= MOST_CHARACTERS ? PARENT.exec(text) : null) ?? [];
  const isValid = version !== 'ff' && !(version === '00' && rest !== undefined);
  if (!isValid || ZEROS.test(traceId) || ZEROS.test(parentId))
    return { traceId: hex, spanId, isSampled: false };
  const isSampled = Number.parseInt(flags, 16) % 2 === 1;
  // An object gets the request of the gate, by its id and in its span.
  return { traceId, spanId, ...(parentId === spanId ? {} : { parentId }), isSampled };
}

/** A request with the id that we give it, a UUID. */
export const nameRequest = (headers: Headers, requestId: string): NamedRequest => ({
  requestId,
  trace: traceOf(headers, requestId),
});

/** The header for requests that this one makes. Flags that level 1 does not define are zero in it (§3.2.2.5.2). */
export const traceparentOf = ({ traceId, spanId, isSampled }: Trace): string =>
  `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;

/** Members of a log line that name a request. */
export const requestFields = ({ requestId, trace }: NamedRequest) => ({
  request_id: requestId,
  trace_id: trace.traceId,
  span_id: trace.spanId,
  ...(trace.parentId === undefined ? {} : { parent_id: trace.parentId }),
});

type Log = (event: Readonly<Record<string, unknown>>) => void;

/** A log whose lines name a request. */
export const logNaming =
  (request: NamedRequest, log: Log): Log =>
  (event) =>
    log({ ...event, ...requestFields(request) });
