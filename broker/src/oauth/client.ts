import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { fromAuthorization } from '../credentials/presented.ts';

export interface ClientSecret {
  readonly clientId: string;
  readonly secret: string;
}

const ELSEWHERE = err('credential_malformed', { hint: 'authenticate by Basic or in the body' });

/**
 * The client's own credential: HTTP Basic or `client_id` and `client_secret` in the body, one of them at most (RFC
 * 6749 §2.3). A `client_id` alone names a public client and proves nothing, so it counts as none. The header pair of
 * Access is no method of OAuth: beside another it is a second one, and alone it is refused rather than overlooked.
 * What the browser or the edge adds by itself (cookies, the Access assertion) is no client authentication.
 */
export function presentedClient(
  headers: Headers,
  form: ReadonlyMap<string, string>,
): Outcome<ClientSecret | undefined> {
  const id = form.get('client_id');
  const secret = form.get('client_secret');
  const authorization = headers.get('authorization');
  const pair = headers.has('cf-access-client-id') || headers.has('cf-access-client-secret');
  if ([authorization !== null, pair, secret !== undefined].filter(Boolean).length > 1)
    return err('credential_ambiguous', { hint: 'authenticate once' });
  if (pair) return ELSEWHERE;
  if (authorization !== null) {
    const basic = fromBasic(authorization);
    if (!basic.ok || id === undefined || id === basic.value.clientId) return basic;
    return err('field_invalid', { field: 'client_id' });
  }
  if (secret === undefined) return ok(undefined);
  return id === undefined ? err('field_invalid', { field: 'client_id' }) : ok({ clientId: id, secret });
}

function fromBasic(authorization: string): Outcome<ClientSecret> {
  const presented = fromAuthorization(authorization);
  if (!presented.ok) return presented;
  return presented.value.kind === 'client-secret' ? ok(presented.value) : ELSEWHERE;
}
