import { ERROR_CODES } from '@agent-ticket/shared/denial.ts';
import { codeOf } from '@agent-ticket/shared/describe-error.ts';
import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import createClient, { type Client, type Middleware } from 'openapi-fetch';
import * as z from 'zod';
import { type Terminal, UsageError } from '../command.ts';
import { type Access, authorization } from './access.ts';
import { type Members, type Methods, type Operation, requestOf } from './operation.ts';
import { plain } from './plain-text.ts';

const ErrorBody = z.object({
  error: z.object({ code: z.string(), message: z.string(), request_id: z.string() }),
});
const Json = z.record(z.string(), z.unknown());
export type Json = z.infer<typeof Json>;

/**
 * A client of the broker's API: `Paths` are those of its OpenAPI document. A refusal, and an answer that does not
 * come from a broker, is thrown as a `UsageError` with the next step. JSON is an object; its members are NOT compared
 * with the document.
 */
export function openClient<Paths extends {}>(access: Access, terminal: Terminal): Client<Paths> {
  const client = createClient<Paths>({
    baseUrl: access.broker,
    headers: { accept: 'application/json' },
    fetch: (request) => fetchSaying(request, terminal),
  });
  client.use(refusing(access, terminal));
  return client;
}

/** Deletions and locks wait for objects that do not answer, up to 20 s. */
const SILENT_MS = 3_000;

/** Tells the person that the answer is still to come. */
async function fetchSaying(request: Request, terminal: Terminal): Promise<Response> {
  const answered = new AbortController();
  if (terminal.isInteractive)
    void terminal.wait(SILENT_MS, answered.signal).then(() => {
      if (!answered.signal.aborted) terminal.err('No answer yet; waiting for it, up to a minute …\n');
    });
  return terminal.fetch(request).finally(() => answered.abort());
}

/** For routes that only rows name: their members come from the document at run time. */
interface AnyOperation {
  readonly parameters: { readonly path?: Members; readonly query?: Members };
  readonly requestBody?: { readonly content: { readonly 'application/json': Members } };
  readonly responses: { readonly 200: { readonly content: { readonly 'application/json': Json } } };
}
type AnyPaths = Readonly<Record<string, Readonly<Record<Methods, AnyOperation>>>>;

/** One call with these members, each where the operation has it. */
export const callBroker = (
  operation: Operation,
  members: Members,
  access: Access,
  terminal: Terminal,
): Promise<Json> =>
  dataOf(
    openClient<AnyPaths>(access, terminal).request(operation.method, operation.path, {
      ...requestOf(operation, members),
    }),
  );

/** The data of an answer of {@link openClient}, which throws where there is none. */
export async function dataOf<Data>(answer: Promise<{ readonly data?: Data }>): Promise<NonNullable<Data>> {
  const { data } = await answer;
  if (data === undefined || data === null) throw new TypeError('an answer without a body');
  return data;
}

/** Makes each refusal a `UsageError`. */
const refusing = (access: Access, terminal: Terminal): Middleware => ({
  async onRequest({ request }) {
    for (const [name, value] of Object.entries(await authorization(access))) request.headers.set(name, value);
  },
  async onResponse({ request, response }) {
    if (!response.ok) throw await refusalOf(response, access, terminal);
    const type = response.headers.get('content-type') ?? '';
    // A stream has no time limit.
    if (type.startsWith('application/x-ndjson')) return undefined;
    const text = await textOf(response);
    if (text instanceof TypeError) throw unreachable(access, request.method, text);
    if (!Json.safeParse(parseJson(text)).success) throw notBroker(access, response.status);
    return new Response(text, { status: response.status, headers: { 'content-type': type } });
  },
  onError: ({ error, request }) =>
    error instanceof TypeError ? unreachable(access, request.method, error) : undefined,
});

/** The error where the connection broke. A fetch without one rejects with the same class. */
const textOf = (response: Response): Promise<string | TypeError> =>
  response.text().catch((error: unknown) => {
    if (error instanceof TypeError) return error;
    throw error;
  });

/** How OpenSSL names what is wrong with a certificate. */
const OF_CERTIFICATE = /CERT|SIGNATURE|ALTNAME/;

/** The code of the system, and what helps where it is about the certificate; empty where there is none. */
export function whyUnreachable(error: unknown): string {
  const code = codeOf(error);
  if (code === undefined) return '';
  return OF_CERTIFICATE.test(code)
    ? ` (${code}: its certificate is not trusted here. Set NODE_EXTRA_CA_CERTS to the file of a private authority)`
    : ` (${code})`;
}

/** A change may have been done although its answer was lost. */
const unreachable = ({ broker }: Access, method: string, error: TypeError): UsageError =>
  new UsageError(
    method === 'GET'
      ? `${broker} does not answer${whyUnreachable(error)}. Check the address and the network, then repeat the command.`
      : `${broker} does not answer${whyUnreachable(error)}. The change may have been done: look at the list before you repeat the command.`,
    { code: 'UNREACHABLE' },
  );

/** What to throw for an answer that is no success. */
export async function refusalOf(response: Response, access: Access, terminal: Terminal): Promise<UsageError> {
  const { status } = response;
  const text = await textOf(response);
  const read = ErrorBody.safeParse(parseJson(text instanceof TypeError ? '' : text));
  if (!read.success) return notBroker(access, status);
  const { code, message, request_id: requestId } = read.data.error;
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const remedy = remedyOf(code, status, retryAfter, access);
  const sentence = `${message.charAt(0).toUpperCase()}${message.slice(1)}`;
  return new UsageError(`${plain(sentence)} (${plain(code)}, request ${plain(requestId)}). ${remedy}`, {
    ...{ code, status, request_id: requestId, at: new Date(terminal.now()).toISOString() },
    ...(Number.isFinite(retryAfter) && { retry_after: retryAfter }),
  });
}

/** Of an answer that no broker gives. */
export function notBroker({ broker, signedIn }: Access, status: number): UsageError {
  const text =
    status >= 300 && status < 400
      ? `${broker} answers with a redirect (${status}), as a sign-in page in front of the broker does. ${
          signedIn === undefined
            ? 'Sign in by "agent-ticket login --access", or use the hostname that has no Access application.'
            : `Sign in again: agent-ticket login --profile ${signedIn}`
        }`
      : `${broker} does not answer like a broker (${status}). Check the address: it is the ISSUER of the broker.`;
  return new UsageError(text, { code: 'NOT_A_BROKER', status });
}

/** What to do about a refusal, by its code. */
function remedyOf(
  code: string,
  status: number,
  retryAfter: number,
  { credential, signedIn }: Access,
): string {
  if (code === 'UNAUTHORIZED' || code === 'TOKEN_EXPIRED') {
    if (signedIn !== undefined) return `Sign in again: agent-ticket login --profile ${signedIn}`;
    return credential === undefined
      ? 'Sign in by "agent-ticket login", or set AGENT_TICKET_CLIENT_ID and AGENT_TICKET_CLIENT_SECRET.'
      : 'The credential is wrong, expired or revoked: use another one.';
  }
  if (status === ERROR_CODES.FORBIDDEN.status)
    return 'See the permissions of this credential by "agent-ticket me". An operator finds the cause by "agent-ticket why" and the request id.';
  if (status === ERROR_CODES.NOT_FOUND.status) return 'Check the name in the list.';
  if (status === ERROR_CODES.CONFLICT.status) return 'Check the present state, then decide again.';
  if (status === ERROR_CODES.RATE_LIMITED.status || status === ERROR_CODES.UNAVAILABLE.status)
    return `Repeat the command in ${Number.isFinite(retryAfter) ? retryAfter : 1} s.`;
  if (status >= 500) return 'Look for the request id in the log of the broker.';
  return 'Correct the command: --help has an example.';
}
