import { ERROR_CODES } from '@agent-ticket/shared/denial.ts';
import * as z from 'zod';
import { type Terminal, UsageError } from '../command.ts';
import { type Access, authorization } from './access.ts';
import { plain } from './plain-text.ts';

export interface BrokerRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below the address of the broker, each name in it encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

const ErrorBody = z.object({
  error: z.object({ code: z.string(), message: z.string(), request_id: z.string() }),
});
const Json = z.record(z.string(), z.unknown());
export type Json = z.infer<typeof Json>;

export interface Answered {
  readonly status: number;
  readonly body: Json;
}

/** One call, JSON in and out. A refusal is a `UsageError` that says what to do. */
export async function callBroker(
  request: BrokerRequest,
  access: Access,
  terminal: Terminal,
): Promise<Answered> {
  const response = await askBroker(request, access, terminal);
  const body = Json.safeParse(await jsonOf(response));
  if (!body.success) throw notBroker(access, response.status);
  return { status: response.status, body: body.data };
}

/** As {@link callBroker}, with the body still to be read. Its reader has all the time that it needs. */
export async function askBroker(
  { method, path, query = {}, body }: BrokerRequest,
  access: Access,
  terminal: Terminal,
): Promise<Response> {
  const url = new URL(`${access.broker}${path}`);
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.set(name, String(value));
  const headers = {
    accept: 'application/json',
    ...authorization(access),
    ...(body !== undefined && { 'content-type': 'application/json' }),
  };
  const response = await terminal
    .fetch(url.href, {
      ...{ method, headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    .catch((error: unknown) => {
      // A fetch without a connection rejects with this class.
      if (error instanceof TypeError) return undefined;
      throw error;
    });
  if (response === undefined) throw unreachable(access);
  if (response.ok) return response;
  throw await refusalOf(response, access, terminal);
}

const unreachable = ({ broker }: Access): UsageError =>
  new UsageError(`${broker} does not answer. Check the address and the network, then repeat the command.`, {
    code: 'UNREACHABLE',
  });

async function refusalOf(response: Response, access: Access, terminal: Terminal): Promise<UsageError> {
  const { status } = response;
  const read = ErrorBody.safeParse(await jsonOf(response));
  if (!read.success) return notBroker(access, status);
  const { code, message, request_id: requestId } = read.data.error;
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const remedy = remedyOf(code, status, retryAfter, access);
  const sentence = `${message.charAt(0).toUpperCase()}${message.slice(1)}`;
  const text = `${plain(sentence)} (${plain(code)}, request ${plain(requestId)}). ${remedy}`;
  return new UsageError(text, {
    ...{ code, status, request_id: requestId, at: new Date(terminal.now()).toISOString() },
    ...(Number.isFinite(retryAfter) && { retry_after: retryAfter }),
  });
}

const notBroker = ({ broker }: Access, status: number): UsageError =>
  new UsageError(
    status >= 300 && status < 400
      ? `${broker} answers with a redirect (${status}), as a sign-in page in front of the broker does. Use the hostname that has no Access application.`
      : `${broker} answers as no broker does (${status}). Check the address: it is the ISSUER of the broker.`,
    { code: 'NOT_A_BROKER', status },
  );

/** What to do about a refusal, by its code. */
function remedyOf(code: string, status: number, retryAfter: number, { credential }: Access): string {
  if (code === 'UNAUTHORIZED' || code === 'TOKEN_EXPIRED')
    return credential === undefined
      ? 'Set AGENT_TICKET_CLIENT_ID and AGENT_TICKET_CLIENT_SECRET, or use a profile.'
      : 'The credential is wrong, expired or revoked: use another one.';
  if (status === ERROR_CODES.FORBIDDEN.status)
    return 'See the permissions of this credential by "agent-ticket me", or use a profile with more.';
  if (status === ERROR_CODES.NOT_FOUND.status) return 'Check the name in the list.';
  if (status === ERROR_CODES.CONFLICT.status) return 'Look at its present state, then decide again.';
  if (status === ERROR_CODES.RATE_LIMITED.status || status === ERROR_CODES.UNAVAILABLE.status)
    return `Repeat the command in ${Number.isFinite(retryAfter) ? retryAfter : 1} s.`;
  if (status >= 500) return 'Look for the request id in the log of the broker.';
  return 'Correct the command: --help has an example.';
}

async function jsonOf(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}
