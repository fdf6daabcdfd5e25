import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { readBytes } from './request-bytes.ts';

const FORM = /^application\/x-www-form-urlencoded\s*(;|$)/i;

/**
 * Reads a form body (RFC 6749 appendix B). A parameter without a value is as if it were not there, one that comes
 * twice refuses the request (§3.2). The query is not looked at: secrets do not belong there.
 *
 * @param repeatable a parameter that may come more often (RFC 8693 §2.1); more than we serve is its own refusal.
 */
export async function readForm(
  request: Request,
  repeatable?: string,
): Promise<Outcome<ReadonlyMap<string, string>>> {
  const bytes = await readBytes(request, FORM);
  if (!bytes.ok)
    return bytes.denial.reason === 'media_type_unsupported'
      ? err('media_type_unsupported', { hint: 'send a form in UTF-8, not compressed' })
      : bytes;
  const form = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(new TextDecoder().decode(bytes.value))) {
    if (value === '') continue;
    if (form.has(name))
      return name === repeatable
        ? err('target_invalid', { hint: 'one resource at a time' })
        : err('field_invalid', { hint: 'a parameter came twice' });
    form.set(name, value);
  }
  return ok(form);
}
