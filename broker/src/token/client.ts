import { allow, deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import { readBasic } from '../credentials/basic.ts';

export interface ClientSecret {
  readonly clientId: string;
  readonly secret: string;
}

/**
 * The client's own credential: HTTP Basic or `client_id` and `client_secret` in the body, one of them at most (RFC
 * 6749 §2.3). A `client_id` alone names a public client and proves nothing, so it counts as none. What the browser
 * or the edge adds by itself (cookies, the Access assertion) is no client authentication.
 */
export function presentedClient(
  headers: Headers,
  form: ReadonlyMap<string, string>,
): Outcome<ClientSecret | undefined> {
  const id = form.get('client_id');
  const secret = form.get('client_secret');
  const authorization = headers.get('authorization');
  if (authorization !== null) {
    if (secret !== undefined) return deny('credential_ambiguous', { hint: 'authenticate once' });
    const basic = fromBasic(authorization);
    if (!basic.ok || id === undefined || id === basic.value.clientId) return basic;
    return deny('field_invalid', { field: 'client_id' });
  }
  if (secret === undefined) return allow(undefined);
  return id === undefined ? deny('field_invalid', { field: 'client_id' }) : allow({ clientId: id, secret });
}

function fromBasic(authorization: string): Outcome<ClientSecret> {
  const [, encoded] = /^basic +(\S+)$/i.exec(authorization) ?? [];
  const read = encoded === undefined ? undefined : readBasic(encoded);
  if (read?.ok === false) return read;
  return read?.value.kind === 'client-secret'
    ? allow(read.value)
    : deny('credential_malformed', { hint: 'authenticate by Basic or in the body' });
}
