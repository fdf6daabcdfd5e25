import { BODY_MAX_BYTES } from '@agent-ticket/shared/limits.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { readBounded } from '@agent-ticket/shared/read-bounded.ts';

/**
 * The bytes of a request's body. Whatever the runtime says of a body that breaks off or is framed wrongly, the caller or
 * its network is the cause: it must not look like an outage of a database, or a bug.
 */
export async function readRequestBytes(request: Request): Promise<Outcome<Uint8Array>> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readBounded(request, BODY_MAX_BYTES);
  } catch {
    return err('body_incomplete', { hint: 'the body broke off' });
  }
  return bytes === undefined ? err('body_too_large') : ok(bytes);
}
