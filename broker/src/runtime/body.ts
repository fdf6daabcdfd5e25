import { err, type Outcome } from '@agent-ticket/shared/outcome.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import type * as z from 'zod';
import { memberWhere, refuseCredentials } from '../credentials/secret-in-text.ts';
import { readRequestBytes } from '../http/request-bytes.ts';

/**
 * Reads a JSON body by a schema. A refusal names the first invalid member, never its value. Texts of the body are
 * stored, so a text that contains a credential is refused even where the schema accepts it. A text with a lone
 * surrogate is refused too: it has no encoding in UTF-8, so an audit event with it could never be sealed.
 */
export async function readBody<T>(request: Request, schema: z.ZodType<T>): Promise<Outcome<T>> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type)) return err('media_type_unsupported');
  const bytes = await readRequestBytes(request);
  if (!bytes.ok) return bytes;
  const json = readStrictJson(bytes.value);
  if (json === undefined) return err('body_not_json', { hint: 'the body is not JSON' });
  const parsed = schema.safeParse(json);
  if (parsed.success) {
    const field = memberWhere(parsed.data, (text) => !text.isWellFormed());
    if (field !== undefined) return err('field_invalid', { field, hint: 'it holds half of a character' });
    return refuseCredentials(parsed.data);
  }
  const [issue] = parsed.error.issues;
  return issue?.code === 'unrecognized_keys'
    ? err('field_invalid', { hint: 'the body has a member that is not known' })
    : err('field_invalid', { field: issue?.path.join('.') || 'body' });
}
