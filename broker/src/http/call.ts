import type { Denial } from '@agent-ticket/shared/denial.ts';
import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import type { Authenticated } from '../credentials/principal.ts';
import type { RateState } from '../mint/ledger.ts';

/** What every call is recorded with. */
export interface RequestContext {
  readonly requestId: string;
  /** Milliseconds since 1970, read once. */
  readonly now: number;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
}

/** One call as a handler sees it: credential verified, permission held. */
export interface Call extends RequestContext {
  readonly request: Request;
  readonly params: Readonly<Record<string, string>>;
  readonly who: Authenticated;
}

export interface Answer {
  readonly status: 200 | 201 | 202 | 204 | 302 | 304;
  /** Left out: no body. */
  readonly body?: unknown;
  /** Instead of `body`, for what does not fit into memory; its type is among the headers. */
  readonly stream?: ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  /** `Set-Cookie` lines. */
  readonly cookies?: readonly string[];
}

/** How a refusal looks outside. The request is there where one was judged. */
export type ErrorRenderer = (
  denial: Denial,
  requestId: string,
  rate?: RateState | null,
  request?: Request,
) => Response;

export interface HandlerResult {
  readonly outcome: Outcome<Answer>;
  readonly rate?: RateState | null;
  /** Who it turned out to be, where the handler itself asked for a credential. */
  readonly who?: Authenticated;
  /** Slug of the known agent that a ticket was asked for. */
  readonly agent?: string | undefined;
  /** Left out: as the route says. */
  readonly renderError?: ErrorRenderer;
}

export type Handler = (call: Call) => Promise<HandlerResult>;
