import { parseJson } from '@agent-ticket/shared/parse-json.ts';

/** Whether a request sends the cookies of this browser's sign-in, or is anonymous. */
export type Caller = 'signed-in' | 'anonymous';

/** Why a request failed, as the broker words it. */
interface Refusal {
  /** HTTP status; 0: no answer. */
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly requestId?: string;
  /** Seconds to wait, where the broker sends `Retry-After`. */
  readonly retryAfter?: string;
}

type BrokerAnswer =
  | { readonly ok: true; readonly text: string; readonly body: unknown }
  | { readonly ok: false; readonly refusal: Refusal };

/** Sends a request to the broker, on another origin, with its cookies or without any. */
export type RequestBroker = (
  caller: Caller,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: object,
) => Promise<BrokerAnswer>;

export const createRequestBroker =
  (base: string): RequestBroker =>
  async (caller, method, path, body) => {
    let answer: Response;
    let text: string;
    try {
      answer = await fetch(`${base.replace(/\/$/, '')}${path}`, {
        method,
        credentials: caller === 'anonymous' ? 'omit' : 'include',
        ...(body === undefined
          ? {}
          : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      text = await answer.text();
    } catch (error) {
      // A browser hides from scripts whether there was no answer, it broke off, or CORS refused it.
      if (!(error instanceof TypeError)) throw error;
      return { ok: false, refusal: { status: 0, code: 'no answer', message: unreachable(base) } };
    }
    return answer.ok
      ? { ok: true, text, body: parseJson(text) }
      : { ok: false, refusal: refusalOf(answer.status, text, answer.headers) };
  };

/** A refusal as the broker words it; the answer of anything else, such as a proxy, is described by its status. */
export function refusalOf(status: number, text: string, headers: Headers): Refusal {
  const { error } = parseMembers(text);
  const { code, message } = membersOf(error);
  const requestId = headers.get('x-request-id');
  const retryAfter = headers.get('retry-after');
  return {
    status,
    code: textOr(code, `HTTP ${status}`),
    message: textOr(message, 'the answer is not in the form of the broker'),
    ...(requestId === null ? {} : { requestId }),
    ...(retryAfter === null ? {} : { retryAfter }),
  };
}

const unreachable = (base: string): string =>
  `The broker at ${base} did not answer this page. Look whether it runs, and whether its ALLOWED_ORIGINS names ${location.origin}: open the page at the address that npm start printed.`;

const ADVICE: Readonly<Record<string, string>> = {
  UNAUTHORIZED: 'Sign in in step 1.',
  TOKEN_EXPIRED: 'The sign-in has ended. Sign in again in step 1.',
  FORBIDDEN: 'The broker knows who asks, and they may not. The rules below say which one refused.',
  NOT_FOUND:
    'There is no such agent or instance, or this caller may not know of it: the broker does not say which.',
  BAD_REQUEST:
    'Something in the form is not what the broker takes. An instance has 1 to 128 letters, digits, _ and -.',
};

/** A refusal as one to three sentences. */
export function describeRefusal({ status, code, message, retryAfter, requestId }: Refusal): string {
  if (status === 0) return message;
  const advice = retryAfter === undefined ? ADVICE[code] : `Try again in ${retryAfter} seconds.`;
  const named = requestId === undefined ? '' : ` Request ${requestId}.`;
  return `${status} ${code}: ${message}. ${advice ?? ''}${named}`.replace(/ {2,}/g, ' ').trim();
}

// Reading JSON from the network: a value of another form becomes `undefined`, never a guess.

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The members of an object, or none. */
export const membersOf = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : {});

/** The members of JSON text, or none. */
export const parseMembers = (text: string): Record<string, unknown> => membersOf(parseJson(text));

export const textOr = <T>(value: unknown, otherwise: T): string | T =>
  typeof value === 'string' ? value : otherwise;

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
