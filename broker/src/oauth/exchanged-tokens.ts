import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { JwtSource } from '../credentials/bearer.ts';

/** Token types (RFC 8693 §3) and whose tokens are of that type. The type that is declared must be the true one. */
const TOKEN_TYPES = new Map<string, readonly JwtSource[]>([
  ['urn:ietf:params:oauth:token-type:access_token', ['auth0']],
  ['urn:ietf:params:oauth:token-type:jwt', ['auth0', 'access', 'oidc']],
  ['urn:ietf:params:oauth:token-type:id_token', ['oidc']],
]);

export interface PresentedToken {
  readonly token: string;
  readonly sources: readonly JwtSource[];
}

export interface ExchangedTokens {
  readonly subject: PresentedToken;
  readonly actor: PresentedToken | undefined;
}

/** `subject_token` and `actor_token` with their types, as RFC 8693 §2.1 wants them: a type with each token, and only then. */
export function readExchangedTokens(form: ReadonlyMap<string, string>): Outcome<ExchangedTokens> {
  const subject = readToken(form, 'subject_token');
  if (!subject.ok) return subject;
  if (subject.value === undefined) return err('field_invalid', { field: 'subject_token' });
  const actor = readToken(form, 'actor_token');
  return actor.ok ? ok({ subject: subject.value, actor: actor.value }) : actor;
}

function readToken(
  form: ReadonlyMap<string, string>,
  name: 'subject_token' | 'actor_token',
): Outcome<PresentedToken | undefined> {
  const token = form.get(name);
  const type = form.get(`${name}_type`);
  if (token === undefined && type === undefined) return ok(undefined);
  if (token === undefined) return err('field_invalid', { field: name });
  const sources = TOKEN_TYPES.get(type ?? '');
  return sources === undefined ? err('field_invalid', { field: `${name}_type` }) : ok({ token, sources });
}
