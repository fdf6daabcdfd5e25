/**
 * The position of a request in the trace of its caller (W3C Trace Context, level 1). Log lines contain it, and requests
 * pass it on. No decision depends on it, because every caller can choose it.
 */
export interface Trace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** The span of this request, 16 hexadecimal digits: the end of its request id. */
  readonly spanId: string;
  /** The caller's span. Left out: the trace begins here. */
  readonly parentId?: string;
  /** Whether the caller may have recorded the trace. */
  readonly isSampled: boolean;
}

/** The id that we gave a request, and the trace of its caller. Plain data, because it is sent to objects. */
export interface NamedRequest {
  /** UUID, made by us. */
  readonly requestId: string;
  readonly trace: Trace;
}

export const TRACEPARENT = 'traceparent';

/** Version 00 has exactly these fields. A later version may have more after another hyphen (§3.2.4 of the standard). */
const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** Far above the 55 characters of version 00. A longer header of a later version is ignored. */
const MOST_CHARACTERS = 256;
const ZEROS = /^0+$/;

/**
 * The trace of a request with this id, a UUID. If its header `traceparent` is missing, repeated, invalid or longer than
 * 256 characters, a new trace begins. The request id is the id of the new trace, and the trace is not sampled.
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
  // The gate forwards its request to an object with the same id and the same span, so this span is no parent.
  return { traceId, spanId, ...(parentId === spanId ? {} : { parentId }), isSampled };
}

/** A request with the id that we gave it, a UUID. */
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
