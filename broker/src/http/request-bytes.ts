import { BODY_MAX_BYTES } from '@agent-ticket/shared/limits.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { readBounded } from '@agent-ticket/shared/read-bounded.ts';

/** The charset of a content type, quoted or not (RFC 9110 §8.3.1); JSON and forms are UTF-8 where it is left out. */
const CHARSET = /;\s*charset\s*=\s*"?([^";\s]*)/gi;

/**
 * The bytes of a body whose media type is as wanted, in UTF-8 and not compressed: nothing here decodes another one.
 * Whatever the runtime says of a body that breaks off or is framed wrongly, the caller or its network is the cause: it
 * must not look like an outage of a database, or a bug.
 */
export async function readBytes(request: Request, mediaType: RegExp): Promise<Outcome<Uint8Array>> {
  const type = request.headers.get('content-type') ?? '';
  if (!mediaType.test(type)) return err('media_type_unsupported');
  if (![...type.matchAll(CHARSET)].every(([, charset = '']) => /^utf-?8$/i.test(charset)))
    return err('media_type_unsupported', { hint: 'in UTF-8' });
  const coding = request.headers.get('content-encoding') ?? 'identity';
  if (!/^\s*identity\s*$/i.test(coding)) return err('media_type_unsupported', { hint: 'not compressed' });
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readBounded(request, BODY_MAX_BYTES);
  } catch {
    return err('body_incomplete', { hint: 'the body broke off' });
  }
  return bytes === undefined ? err('body_too_large') : ok(bytes);
}
