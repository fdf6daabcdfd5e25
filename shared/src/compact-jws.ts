import { base64url } from 'jose';
import { TICKET_MAX_BYTES } from './limits.ts';
import { readStrictJson } from './strict-json.ts';

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/**
 * Whether the text is a JWS in compact serialisation (RFC 7515 §7.1) spelled the one canonical way.
 *
 * JOSE libraries accept padding, white space and spare bits in the last character, so that one signature has many
 * spellings. Refusing all but one keeps anything that ever looks at the text (a log filter, a cache, a rate key) in
 * step with the signature. It is no name for the ticket all the same: ECDSA lets anybody turn one valid signature
 * into a second. Name a ticket by its `jti`. Length is checked before anything is split.
 *
 * Does NOT check that the segments hold JSON, nor any signature.
 */
export function isCanonicalCompact(text: string, maxBytes: number = TICKET_MAX_BYTES): boolean {
  return text.length <= maxBytes && COMPACT.test(text) && text.split('.').every(isCanonicalBase64url);
}

/**
 * The header of a token that {@link isCanonicalCompact}, not verified; `undefined` where it is no JSON. Anybody may
 * send anything in its place, so it is read without an exception to miss.
 */
export const readJwsHeader = (token: string): unknown =>
  readStrictJson(base64url.decode(token.slice(0, token.indexOf('.'))));

/** base64url without padding (RFC 4648 §5) whose unused low bits are zero (§3.5). */
function isCanonicalBase64url(segment: string): boolean {
  const spare = segment.length % 4;
  if (spare === 1) return false;
  if (spare === 0) return true;
  const lowBits = spare === 2 ? 0b1111 : 0b11;
  return (ALPHABET.indexOf(segment.slice(-1)) & lowBits) === 0;
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
