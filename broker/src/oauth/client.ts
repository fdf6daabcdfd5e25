import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { logAuthResult, type RouteName } from '../credentials/auth-result.ts';
import { authenticateBearer } from '../credentials/bearer.ts';
import { fromAuthorization, type Presented } from '../credentials/presented.ts';
import type { Authenticated } from '../credentials/principal.ts';
import { looksLikeSecret } from '../credentials/secret.ts';
import { authenticateServiceToken } from '../credentials/service-token.ts';
import type { Call } from '../runtime/call.ts';

/** A service token as an OAuth client: its id and its secret. */
export type ClientSecret = Extract<Presented, { kind: 'client-secret' }>;

/** The credential of a caller of an OAuth endpoint. */
type PresentedClient = ClientSecret | Extract<Presented, { kind: 'bearer' }>;

export const ELSEWHERE = err('credential_malformed', { hint: 'authenticate by Basic or in the body' });

/**
 * The caller's own credential: HTTP Basic, `client_id` and `client_secret` in the body, or a bearer token; one of them at
 * most (RFC 6749 §2.3). A `client_id` alone names a public client and proves nothing, so it counts as none. The header
 * pair of Access is no method of OAuth: beside another it is a second one, and alone it is refused rather than overlooked.
 * Credentials that the browser or the edge adds by itself (cookies, the Access assertion) are no client authentication.
 */
export function presentedClient(
  headers: Headers,
  form: ReadonlyMap<string, string>,
): Outcome<PresentedClient | undefined> {
  const id = form.get('client_id');
  const secret = form.get('client_secret');
  const authorization = headers.get('authorization');
  const pair = headers.has('cf-access-client-id') || headers.has('cf-access-client-secret');
  if ([authorization !== null, pair, secret !== undefined].filter(Boolean).length > 1)
    return err('credential_ambiguous', { hint: 'authenticate once' });
  if (pair) return ELSEWHERE;
  if (authorization !== null) return fromHeader(authorization, id);
  if (secret === undefined) return ok(undefined);
  return id === undefined
    ? err('field_invalid', { field: 'client_id' })
    : ok({ kind: 'client-secret', clientId: id, secret });
}

/** @param id the `client_id` of the body, which must not name another client. */
function fromHeader(authorization: string, id: string | undefined): Outcome<PresentedClient> {
  const presented = fromAuthorization(authorization);
  if (!presented.ok) return presented;
  const { value } = presented;
  if (value.kind === 'bearer') return ok(value);
  if (value.kind !== 'client-secret') return ELSEWHERE;
  return id === undefined || id === value.clientId ? ok(value) : err('field_invalid', { field: 'client_id' });
}

/** The caller by its credential, with what the log says of it. A failure is counted. */
export async function authenticateClient(
  presented: PresentedClient,
  call: Call,
  route: RouteName,
): Promise<Outcome<Authenticated>> {
  const { ports, now } = call;
  const { serviceTokens } = ports.credentials;
  const clientId = presented.kind === 'client-secret' ? presented.clientId : undefined;
  const found =
    presented.kind === 'client-secret'
      ? await authenticateServiceToken(presented, serviceTokens, now)
      : looksLikeSecret(presented.token)
        ? await authenticateServiceToken({ secret: presented.token }, serviceTokens, now)
        : await authenticateBearer(presented.token, ports.credentials, now);
  return logAuthResult(found, call, route, ports, clientId);
}
