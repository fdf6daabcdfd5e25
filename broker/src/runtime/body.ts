import { BODY_MAX_BYTES } from '@agent-ticket/shared/limits.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { readBounded } from '@agent-ticket/shared/read-bounded.ts';
import { duplicateMember, readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import type * as z from 'zod';
import { CONTROL_CHARACTER, memberWhere, refuseCredentials } from '../credentials/secret-in-text.ts';

/** What makes a text unfit to be stored, with the text of the refusal. */
const UNFIT: readonly (readonly [isUnfit: (text: string) => boolean, hint: string])[] = [
  // It has no encoding in UTF-8, so an audit event with it could never be sealed.
  [(text) => !text.isWellFormed(), 'it holds half of a character'],
  [(text) => CONTROL_CHARACTER.test(text), 'it holds a control character'],
];

/** The charset of a content type, quoted or not (RFC 9110 §8.3.1); JSON and forms are UTF-8 where it is left out. */
const CHARSET = /;\s*charset\s*=\s*"?([^";\s]*)/gi;

/** The bytes of a body whose media type is as wanted, in UTF-8 and not compressed: nothing here decodes another one. */
export async function readBytes(request: Request, mediaType: RegExp): Promise<Outcome<Uint8Array>> {
  const type = request.headers.get('content-type') ?? '';
  if (!mediaType.test(type)) return err('media_type_unsupported');
  if (![...type.matchAll(CHARSET)].every(([, charset = '']) => /^utf-?8$/i.test(charset)))
    return err('media_type_unsupported', { hint: 'in UTF-8' });
  const coding = request.headers.get('content-encoding') ?? 'identity';
  if (!/^\s*identity\s*$/i.test(coding)) return err('media_type_unsupported', { hint: 'not compressed' });
  const bytes = await readBounded(request, BODY_MAX_BYTES);
  return bytes === undefined ? err('body_too_large') : ok(bytes);
}

/**
 * Reads a JSON body by a schema. A refusal names the first invalid member, never its value. Texts of the body are
 * stored, so a text that contains a credential or is unfit otherwise is refused even where the schema accepts it.
 */
export async function readBody<T>(request: Request, schema: z.ZodType<T>): Promise<Outcome<T>> {
  const bytes = await readBytes(request, /^application\/json\s*(;|$)/i);
  if (!bytes.ok) return bytes;
  const json = readStrictJson(bytes.value);
  if (json === undefined) return err('body_not_json', { hint: 'the body is not JSON' });
  const parsed = schema.safeParse(json);
  if (parsed.success) {
    if (duplicateMember(bytes.value) !== undefined)
      return err('field_invalid', { hint: 'a member of the body came twice' });
    for (const [isUnfit, hint] of UNFIT) {
      const field = memberWhere(parsed.data, isUnfit);
      if (field !== undefined) return err('field_invalid', { field, hint });
    }
    return refuseCredentials(parsed.data);
  }
  const [issue] = parsed.error.issues;
  return issue?.code === 'unrecognized_keys'
    ? err('field_invalid', { hint: 'the body has a member that is not known' })
    : err('field_invalid', { field: issue?.path.join('.') || 'body' });
}
