import type { TICKET_MAX_BYTES, TICKET_TTL_SECONDS } from '@agent-ticket/shared/limits.ts';
import type { Transport } from '@agent-ticket/shared/names.ts';
import { Forbidden, SignInRequired, TicketRefused, TicketUnavailable } from './errors.ts';
import type { Settings } from './options.ts';
import type { ClientPorts } from './ports.ts';

export type TicketResult = TicketAnswer | TicketRefused | TicketUnavailable;

/** The members of the broker's answer that the client uses. */
export interface TicketAnswer {
  readonly ticket: string;
  /** Seconds from the moment of the request. Other times have no use, because the broker's clock may differ. */
  readonly expiresIn: number;
  /** The address with the ticket in its query. */
  readonly url: string;
}

/** A broker that takes longer counts as unavailable. */
const TIMEOUT_MS = 10_000;
/** Client errors that are temporary. */
const TEMPORARY_STATUS = [408, 425, 429];
/** OAuth errors that only the person can resolve (OpenID Connect Core §3.1.2.6, RFC 6749 §5.2). */
const SIGN_IN_ERROR = /_required$|^invalid_grant$/;

/**
 * Requests one ticket. An `http` ticket cannot open a socket, so the client requests one for plain HTTP. Never throws for
 * failures of network, broker or sign-in: these are results.
 */
export async function requestTicket(
  transport: Transport,
  settings: Settings,
  ports: ClientPorts,
  fresh = false,
): Promise<TicketResult> {
  const signedOut = { status: 401, code: 'UNAUTHORIZED', signInUrl: signInUrlOf(settings, ports) };
  let response: Response;
  let text: string;
  try {
    const request = await requestInit(transport, settings, fresh);
    if (request === undefined) return refusalOf(signedOut);
    response = await ports.fetch(`${settings.broker}/tickets`, {
      ...request,
      signal: ports.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch (cause) {
    // An OAuth client rejects with the error code of its answer in `error`; any other exception means no answer.
    return SIGN_IN_ERROR.test(String(recordOf(cause).error))
      ? refusalOf(signedOut, { cause })
      : new TicketUnavailable('no answer', { cause });
  }

  const { status, ok, headers } = response;
  const answer = status === 201 && readTicketAnswer(text, settings.agent, settings.instance);
  if (answer) return answer;
  // Access redirects a client that is not signed in. A browser exposes only that there was a redirect.
  if (!ok && status < 400) return refusalOf(signedOut);
  if (status < 400 || status >= 500 || TEMPORARY_STATUS.includes(status)) {
    return Object.assign(new TicketUnavailable(`answer ${status}`), {
      retryAfterMs: 1000 * Number(headers.get('retry-after')) || 0,
    });
  }
  if (status === 401 && settings.credential.kind === 'access-token' && !fresh)
    return requestTicket(transport, settings, ports, true);
  const { code = status, message = code } = recordOf(membersOf(text).error);
  return refusalOf({
    ...signedOut,
    status,
    code: String(code),
    message: String(message),
    requestId: headers.get('x-request-id'),
  });
}

/** Reads the credential for each request, so that nothing keeps a copy. `undefined`: nobody is signed in. */
async function requestInit(
  transport: Transport,
  settings: Settings,
  fresh: boolean,
): Promise<RequestInit | undefined> {
  const { agent, instance, scope, credential, runsIn, ambient } = settings;
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (credential.kind === 'access-token') {
    const token = await credential.get({ fresh });
    if (!token) return undefined;
    headers.authorization = `Bearer ${token}`;
  }
  if (credential.kind === 'service-token') {
    // Form-encoded, joined, then base64 (RFC 6749 §2.3.1).
    const pair = [credential.clientId, credential.clientSecret].map(encodeURIComponent);
    headers.authorization = `Basic ${btoa(pair.join(':'))}`;
  }
  return {
    method: 'POST',
    headers,
    body: JSON.stringify({ agent, instance, scope, expires_in: settings.expiresIn, transport }),
    // If the client followed the redirect to a sign-in, that would look like an outage.
    redirect: 'manual',
    // In browsers only: the Workers runtime throws on this member.
    ...(runsIn === 'browser' && { credentials: ambient ? 'include' : 'omit' }),
  };
}

/** The class that matches a status. */
export function refusalOf(
  details: ConstructorParameters<typeof TicketRefused>[0],
  options?: ErrorOptions,
): TicketRefused {
  const Refusal = { 401: SignInRequired, 403: Forbidden }[details.status] ?? TicketRefused;
  return new Refusal(details, options);
}

/** The broker's sign-in, which redirects back to this page. Only if the broker keeps the session. */
export const signInUrlOf = (
  { broker, ambient }: Settings,
  { page }: Pick<ClientPorts, 'page'>,
): string | undefined =>
  ambient ? `${broker}/auth/login?return_to=${encodeURIComponent(page.location?.href ?? '/')}` : undefined;

// An import of the values would include the code of their module. The types keep the numbers equal.
const MAX_CHARS: typeof TICKET_MAX_BYTES = 2048;
const MAX_SECONDS: (typeof TICKET_TTL_SECONDS)['max'] = 300;
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const SOCKET_URL = /^wss?:\/\/\S+$/;

/**
 * Reads the answer to `POST /tickets`. Validates the members that the client uses, and ignores members that a later broker
 * adds. `undefined`: the answer is not a ticket for this agent instance, such as the page of a proxy. Does NOT verify the
 * ticket, because the agent worker does.
 */
export function readTicketAnswer(text: string, agent: string, instance: string): TicketAnswer | undefined {
  const { ticket, expires_in: expiresIn, url, ...target } = membersOf(text);
  return typeof ticket === 'string' &&
    ticket.length <= MAX_CHARS &&
    COMPACT.test(ticket) &&
    typeof expiresIn === 'number' &&
    expiresIn % 1 === 0 &&
    expiresIn > 0 &&
    expiresIn <= MAX_SECONDS &&
    typeof url === 'string' &&
    SOCKET_URL.test(url) &&
    target.agent === agent &&
    target.instance === instance
    ? { ticket, expiresIn, url }
    : undefined;
}

/** The members of a JSON object. Any other text has none. */
function membersOf(text: string): Readonly<Record<string, unknown>> {
  try {
    return recordOf(JSON.parse(text));
  } catch {
    return {};
  }
}

/** Any value as an object whose members can be read. */
export const recordOf = (value: unknown): Readonly<Record<string, unknown>> => Object(value);
