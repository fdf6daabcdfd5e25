import type { Denial } from '@agent-ticket/shared/denial.ts';
import type { NamedRequest } from '@agent-ticket/shared/trace-context.ts';
import type { RateState } from './rate.ts';

/** What every request is recorded with. */
export interface RequestContext extends NamedRequest {
  /** Milliseconds since 1970, read once. */
  readonly now: number;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
}

export interface Answer {
  readonly status: 200 | 201 | 202 | 204 | 302 | 304 | 308;
  /** Left out: no body. */
  readonly body?: unknown;
  /** Instead of `body`, for what does not fit into memory; its type is among the headers. */
  readonly stream?: ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  /** `Set-Cookie` lines. */
  readonly cookies?: readonly string[];
}

/** Makes the response of a refusal. The request is there where one was judged. */
export type ErrorRenderer = (
  denial: Denial,
  requestId: string,
  rate?: RateState | null,
  request?: Request,
) => Response;
