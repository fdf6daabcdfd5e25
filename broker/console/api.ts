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
  return send(addressOf(filled, query), { method, body, signal, accepts }, async (response) =>
    response.status === 204 ? undefined : response.json(),
  );
}

interface Sent extends Pick<Asked, 'body' | 'signal' | 'accepts'> {
  readonly method?: Verb;
}

/**
 * One call of an address, and what `read` takes of its answer. A connection that breaks within the answer, and an answer in
 * another form, are failures as well. Rejects only where `signal` ended it.
 */
export async function send<T>(
  url: string,
  { method = 'GET', body, signal, accepts = [] }: Sent,
  read: (response: Response) => Promise<T>,
): Promise<Outcome<T>> {
  let status = 0;
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
      return { ok: false, failure: { status: 401, message: 'the sign-in has ended' } };
    status = response.status;
    if (!response.ok && !accepts.includes(status)) return { ok: false, failure: await failureOf(response) };
    return { ok: true, status, value: await read(response) };
  } catch (error) {
    if (error instanceof TypeError)
      return { ok: false, failure: { status: 0, message: 'the broker did not answer' } };
    // A proxy on the way may answer with a page of its own.
    if (error instanceof SyntaxError)
      return { ok: false, failure: { status, message: 'the answer is not in the form of the broker' } };
    throw error;
  }
}

/** The message of the broker; for an answer that is not the broker's, its status alone. */
async function failureOf(response: Response): Promise<Failure> {
  const { status, headers } = response;
  const retryAfter = Number(headers.get('retry-after') ?? Number.NaN);
  const body: unknown = await response.json().catch((error: unknown) => {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  });
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
