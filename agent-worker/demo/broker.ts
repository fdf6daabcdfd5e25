import { membersOf, parseJson, parseMembers, textOr } from './json.ts';

/** Who a request speaks for: whoever this browser is signed in as, or nobody. */
export type Speaker = 'signed-in' | 'nobody';

/** Why there is no answer to use, in the broker's own words. */
export interface Refusal {
  /** HTTP status; 0: nobody answered this page. */
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly requestId?: string;
  /** Seconds to wait, where the broker says so. */
  readonly retryAfter?: string;
}

export type Answered =
  | { readonly ok: true; readonly text: string; readonly body: unknown }
  | { readonly ok: false; readonly refusal: Refusal };

/** Asks the broker, on another origin, with the cookies of whoever is signed in there, or without any. */
export type AskBroker = (
  speaker: Speaker,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: object,
) => Promise<Answered>;

export const createAskBroker =
  (base: string): AskBroker =>
  async (speaker, method, path, body) => {
    let answer: Response;
    try {
      answer = await fetch(`${base.replace(/\/$/, '')}${path}`, {
        method,
        credentials: speaker === 'nobody' ? 'omit' : 'include',
        ...(body === undefined
          ? {}
          : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
    } catch (error) {
      // A browser does not tell a script whether nobody answered or the answer was not for this page.
      if (!(error instanceof TypeError)) throw error;
      return { ok: false, refusal: { status: 0, code: 'no answer', message: unreachable(base) } };
    }
    const text = await answer.text();
    return answer.ok
      ? { ok: true, text, body: parseJson(text) }
      : { ok: false, refusal: refusalOf(answer.status, text, answer.headers) };
  };

/** A refusal as the broker words it; what comes from anything else (a proxy, say) is named by its status. */
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
  NOT_FOUND: 'There is no such agent or instance, or not for whoever asks: the broker does not say which.',
  BAD_REQUEST:
    'Something in the form is not what the broker takes. An instance has 1 to 128 letters, digits, _ and -.',
};

/** What was refused, in a sentence or three for a person. */
export function describeRefusal({ status, code, message, retryAfter, requestId }: Refusal): string {
  if (status === 0) return message;
  const advice = retryAfter === undefined ? ADVICE[code] : `Try again in ${retryAfter} seconds.`;
  const named = requestId === undefined ? '' : ` Request ${requestId}.`;
  return `${status} ${code}: ${message}. ${advice ?? ''}${named}`.replace(/ {2,}/g, ' ').trim();
}
