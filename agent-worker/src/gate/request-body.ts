import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { readBounded } from '@agent-ticket/shared/read-bounded.ts';

/** How long a body may take to arrive. Until then its request is not checked for revocations, and no object has it. */
const BODY_DEADLINE_MS = 10_000;

/**
 * The whole body of a request, counted while it is read, so that a missing or false length is no way round the limit. An
 * agent gets nothing of a body that breaks off or comes too slowly, and what the runtime says of one is the caller's
 * fault.
 *
 * @param sleep resolves after so many ms, or when the signal aborts.
 */
export async function readRequestBody(
  request: Request,
  maxBytes: number,
  sleep: (ms: number, signal: AbortSignal) => Promise<void>,
): Promise<Outcome<Uint8Array>> {
  if (Number(request.headers.get('content-length')) > maxBytes) return err('body_too_large');
  const isRead = new AbortController();
  const late = sleep(BODY_DEADLINE_MS, isRead.signal).then(() => 'late' as const);
  try {
    const body = await Promise.race([readBounded(request, maxBytes), late]);
    if (body === 'late') return err('body_incomplete', { detail: 'too slow' });
    return body === undefined ? err('body_too_large') : ok(body);
  } catch {
    return err('body_incomplete');
  } finally {
    isRead.abort();
  }
}
