import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { base64url } from 'jose';

/** The head of an empty log: 32 zero bytes, base64url. */
export const CHAIN_START = base64url.encode(new Uint8Array(32));

/**
 * The head of the log after one more event: SHA-256 over the head before it and the event's canonical JSON (RFC 8785), so
 * that no event can be changed, removed, inserted or moved without changing every head after it. `undefined` where the
 * event has no canonical form. None such is ever written: `redact` and `readBody` keep lone surrogates out.
 *
 * Each head needs the one before, so that nothing can be hashed beside: WebCrypto's hop to a thread and back costs ten
 * times as much as the hash.
 */
export function chainOn(head: string, event: unknown): string | undefined {
  const canonical = canonicalText(event);
  if (canonical === undefined) return undefined;
  return createHash('sha256').update(base64url.decode(head)).update(canonical, 'utf8').digest('base64url');
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
