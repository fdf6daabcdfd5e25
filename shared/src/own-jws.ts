import { base64url, compactVerify, errors } from 'jose';
import * as z from 'zod';
import type { DenialReason } from './denial.ts';
import type { SetAlgorithm, SetKey } from './key-set.ts';
import { TICKET_MAX_BYTES } from './limits.ts';
import { KeyId } from './names.ts';
import { err, type Outcome, ok } from './outcome.ts';
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

/** One kind of token that the broker signs. Only `typ` distinguishes the kinds (RFC 8725 §3.11). */
export interface OwnJwsKind<Claims> {
  readonly typ: string;
  readonly maxBytes: number;
  readonly claims: z.ZodType<Claims>;
  /** The refusal for each way in which a token is none of this kind. */
  readonly refusals: Readonly<Record<'spelling' | 'header' | 'signature' | 'claims', DenialReason>>;
}

/** Exactly these three members. A header with more (`jwk`, `jku`, `crit`, `b64`) is refused unread. */
const Header = z.strictObject({ alg: z.enum(['ES256', 'Ed25519']), typ: z.string(), kid: KeyId });

/**
 * The claims of a token of our own: canonical spelling, exact header, key by `kid` with its own algorithm, signature
 * (RFC 7515 §5.2), strict claims; stops at the first failure. A denial of `findKey` is passed on.
 *
 * Does NOT check issuer, audience, time or replay. Throws only on bugs and broken runtimes.
 */
export async function verifyOwnJws<Claims>(
  token: string,
  { typ, maxBytes, claims, refusals }: OwnJwsKind<Claims>,
  findKey: (kid: KeyId) => Promise<Outcome<SetKey<SetAlgorithm>>>,
): Promise<Outcome<{ readonly claims: Claims; readonly kid: KeyId }>> {
  if (!isCanonicalCompact(token, maxBytes)) return err(refusals.spelling, { detail: 'spelling' });
  const header = Header.safeParse(readJwsHeader(token));
  if (!header.success || header.data.typ !== typ) return err(refusals.header, { detail: 'header' });
  const { alg, kid } = header.data;
  const found = await findKey(kid);
  if (!found.ok) return found;
  if (found.value.alg !== alg) return err(refusals.header, { detail: 'alg is not the one of the key' });
  const payload = await signedPayload(token, found.value);
  if (payload === undefined) return err(refusals.signature, { detail: 'signature' });
  const parsed = claims.safeParse(readStrictJson(payload));
  if (parsed.success) return ok({ claims: parsed.data, kid });
  return err(refusals.claims, { detail: parsed.error.issues.map((i) => i.path.join('.')).join(' ') });
}

/** The signed bytes, or `undefined` when the signature does not hold. Any other failure is not a refusal. */
async function signedPayload(
  token: string,
  { alg, key }: SetKey<SetAlgorithm>,
): Promise<Uint8Array | undefined> {
  try {
    return (await compactVerify(token, key, { algorithms: [alg] })).payload;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

/**
 * The unverified header of a token that {@link isCanonicalCompact}; `undefined` where it is no JSON. Callers can send
 * any text there, so this function never throws.
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
