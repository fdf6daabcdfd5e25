import { refusalOf, type TicketRefused, TicketUnavailable } from './errors.ts';
import type { Settings } from './options.ts';
import type { ClientPorts } from './ports.ts';
import { membersOf, readTicketAnswer, recordOf, type TicketAnswer } from './ticket-answer.ts';

/** `http` tickets open no socket, so those are asked for wherever none is needed. */
export type Use = 'websocket' | 'http';
export type Asked = TicketAnswer | TicketRefused | TicketUnavailable;

/** A broker that takes longer is one that does not answer. */
const TIMEOUT_MS = 10_000;
/** Client errors that pass by themselves. */
const PASSING_STATUS = [408, 425, 429];
/** OAuth errors that only the person can mend (OpenID Connect Core §3.1.2.6, RFC 6749 §5.2). */
const SIGN_IN_ERROR = /_required$|^invalid_grant$/;

/** Asks for one ticket. Answers what comes of it, and never throws for what network, broker or sign-in do. */
export async function askBroker(
  use: Use,
  settings: Settings,
  ports: ClientPorts,
  fresh = false,
): Promise<Asked> {
  const nobody = { status: 401, code: 'UNAUTHORIZED', signInUrl: signInUrlOf(settings, ports) };
  let response: Response;
  let text: string;
  try {
    const request = await requestOf(use, settings, fresh);
    if (request === undefined) return refusalOf(nobody);
    response = await ports.fetch(`${settings.broker}/tickets`, {
      ...request,
      signal: ports.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch (cause) {
    // An OAuth client rejects with the error code of its answer in `error`; whatever else is thrown is no answer.
    return SIGN_IN_ERROR.test(String(recordOf(cause).error))
      ? refusalOf(nobody, { cause })
      : new TicketUnavailable('no answer', { cause });
  }

  const { status, ok, headers } = response;
  const answer = status === 201 && readTicketAnswer(text, settings.agent, settings.instance);
  if (answer) return answer;
  // A redirect, of which a browser shows no more than that: Access sends whoever is not signed in away.
  if (status < 400 && !ok) return refusalOf(nobody);
  if (status < 400 || status >= 500 || PASSING_STATUS.includes(status)) {
    const retryAfterMs = 1000 * (Number(headers.get('retry-after')) || 0);
    return Object.assign(new TicketUnavailable(`answer ${status}`), { retryAfterMs });
  }
  if (status === 401 && settings.credential.kind === 'access-token' && !fresh)
    return askBroker(use, settings, ports, true);
  const { code = status, message = code } = recordOf(membersOf(text).error);
  const requestId = headers.get('x-request-id');
  return refusalOf({ ...nobody, status, code: String(code), message: String(message), requestId });
}

/** The credential is read anew for each request: nothing keeps a copy. `undefined`: there is nobody. */
async function requestOf(use: Use, settings: Settings, fresh: boolean): Promise<RequestInit | undefined> {
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
    body: JSON.stringify({ agent, instance, scope, expires_in: settings.expiresIn, transport: use }),
    // Followed, the redirect to a sign-in would look like an outage.
    redirect: 'manual',
    // Not said elsewhere: the Workers runtime refuses the very word.
    ...(runsIn === 'browser' && { credentials: ambient ? 'include' : 'omit' }),
  };
}

/** The broker's sign-in, leading back to this page; only where the broker keeps the session. */
export const signInUrlOf = (
  { broker, ambient }: Settings,
  { page }: Pick<ClientPorts, 'page'>,
): string | undefined =>
  ambient ? `${broker}/auth/login?return_to=${encodeURIComponent(page.location?.href ?? '')}` : undefined;
