import type { paths } from '../src/openapi/generated-types.ts';

/** Why a call failed. */
export interface Failure {
  /** `0`: no answer came. */
  readonly status: number;
  readonly message: string;
  readonly requestId?: string | undefined;
  /** Seconds. */
  readonly retryAfter?: number | undefined;
}

export type Outcome<T> =
  | { readonly ok: true; readonly value: T; readonly status: number }
  | { readonly ok: false; readonly failure: Failure };

export interface Asked {
  /** Parameters of the path. */
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  readonly body?: object | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Statuses of refusals whose bodies are taken as answers. */
  readonly accepts?: readonly number[];
}

/** The routes of a method, and what they answer: as the OpenAPI document has them. */
type Verb = 'GET' | 'POST' | 'DELETE';
type OperationOf<P extends keyof paths, V extends Verb> = NonNullable<paths[P][Lowercase<V>]>;
type PathOf<V extends Verb> = {
  [P in keyof paths]: [OperationOf<P, V>] extends [never] ? never : P;
}[keyof paths];
type JsonOf<Response> = Response extends { content: { 'application/json': infer Body } } ? Body : undefined;
type AnswerOf<Operation> = Operation extends { responses: infer Responses }
  ? JsonOf<Responses[keyof Responses & (200 | 201 | 202 | 204)]>
  : never;

/** The address of a route of the broker: beside the page, also where the broker is below a path. */
export function addressOf(path: string, query: Asked['query'] = {}): string {
  const url = new URL(`.${path}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value));
  }
  return url.href;
}

/**
 * One call of the broker's API with the credential that the browser adds. Rejects only when `signal` is aborted.
 * Queries and bodies come from a person or an address: the broker refuses unknown members, and names them.
 */
export async function ask<V extends Verb, P extends PathOf<V>>(
  method: V,
  path: P,
  { params = {}, query, body, signal, accepts = [] }: Asked = {},
): Promise<Outcome<AnswerOf<OperationOf<P, V>>>> {
  // The URL parser resolves `.` and `..` even when they are escaped: such a name would lead to another route.
  if (Object.values(params).some((value) => /^\.{0,2}$/.test(value)))
    return { ok: false, failure: { status: 404, message: 'there is no entry with that name' } };
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const answer = await send(method, addressOf(filled, query), body, signal);
  if ('failure' in answer) return { ok: false, failure: answer.failure };
  const { response } = answer;
  if (!response.ok && !accepts.includes(response.status))
    return { ok: false, failure: await failureOf(response) };
  return {
    ok: true,
    status: response.status,
    value: response.status === 204 ? undefined : await response.json(),
  };
}

async function send(
  method: Verb,
  url: string,
  body: object | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly response: Response } | { readonly failure: Failure }> {
  try {
    const response = await fetch(url, {
      method,
      credentials: 'same-origin',
      // A redirect leads to the sign-in page of Access: the sign-in has ended, and the page is not an answer.
      redirect: 'manual',
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      ...(signal && { signal }),
    });
    if (response.type === 'opaqueredirect')
      return { failure: { status: 401, message: 'the sign-in has ended' } };
    return { response };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { failure: { status: 0, message: 'the broker did not answer' } };
  }
}

/** The message of the broker; for an answer that is not the broker's, its status alone. */
export async function failureOf(response: Response): Promise<Failure> {
  const { status, headers } = response;
  const retryAfter = Number(headers.get('retry-after') ?? Number.NaN);
  const body: unknown = await response.json().catch(() => undefined);
  return {
    status,
    message: messageIn(body) ?? `the answer was ${status}`,
    requestId: headers.get('x-request-id') ?? undefined,
    retryAfter: Number.isNaN(retryAfter) ? undefined : retryAfter,
  };
}

function messageIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('error' in body)) return undefined;
  const { error } = body;
  if (typeof error !== 'object' || error === null || !('message' in error)) return undefined;
  return typeof error.message === 'string' ? error.message : undefined;
}
