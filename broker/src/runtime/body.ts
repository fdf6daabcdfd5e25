import { CONTROL_CHARACTER } from '@agent-ticket/shared/describe-values.ts';
import { err, type Outcome } from '@agent-ticket/shared/outcome.ts';
import { duplicateMember, readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import type * as z from 'zod';
import { memberWhere, refuseCredentials } from '../credentials/secret-in-text.ts';
import { invalidValue } from '../http/invalid-value.ts';
import { readBytes } from '../http/request-bytes.ts';

/** What makes a text unfit to be stored, with the text of the refusal. */
const UNFIT: readonly (readonly [isUnfit: (text: string) => boolean, hint: string])[] = [
  // It has no encoding in UTF-8, so an audit event with it could never be sealed.
  [(text) => !text.isWellFormed(), 'it holds half of a character'],
  [(text) => CONTROL_CHARACTER.test(text), 'it holds a control character'],
];

/**
 * Reads a JSON body by a schema. A refusal names the first invalid member and its form, never its value. Texts of the body are
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
  return invalidValue(schema, json, parsed.error);
}
