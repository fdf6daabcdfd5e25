import canonicalize from 'canonicalize';
import { base64url } from 'jose';

/** The head of an empty log: 32 zero bytes, base64url. */
export const CHAIN_START = base64url.encode(new Uint8Array(32));

/**
 * The head of the log after one more event: SHA-256 over the head before it and the event's canonical JSON (RFC 8785), so
 * that no event can be changed, removed, inserted or moved without changing every head after it. `undefined` where the
 * event has no canonical form. None such is ever written: `redact` and `readBody` keep lone surrogates out.
 */
export async function chainOn(head: string, event: unknown): Promise<string | undefined> {
  const canonical = canonicalText(event);
  if (canonical === undefined) return undefined;
  const before = base64url.decode(head);
  const text = new TextEncoder().encode(canonical);
  const bytes = new Uint8Array(before.length + text.length);
  bytes.set(before);
  bytes.set(text, before.length);
  return base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}

/**
 * A value in its canonical form; `undefined` for a number that is not finite and for a text with a lone surrogate, which
 * has no bytes in UTF-8.
 */
export function canonicalText(value: unknown): string | undefined {
  try {
    return canonicalize(value);
  } catch (error) {
    // The library throws its refusals as plain errors.
    if (error instanceof Error && error.name === 'Error') return undefined;
    throw error;
  }
}
