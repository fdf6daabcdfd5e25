import { base64url } from 'jose';
import { canonicalJson } from './canonical-json.ts';

/** The head of an empty log: 32 zero bytes, base64url. */
export const CHAIN_START = base64url.encode(new Uint8Array(32));

/**
 * The head of the log after one more event: SHA-256 over the head before it and the event's canonical JSON, so that
 * no event can be changed, taken out, put in or moved without changing every head after it.
 */
export async function chainOn(head: string, event: unknown): Promise<string> {
  const before = base64url.decode(head);
  const text = new TextEncoder().encode(canonicalJson(event));
  const bytes = new Uint8Array(before.length + text.length);
  bytes.set(before);
  bytes.set(text, before.length);
  return base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}
