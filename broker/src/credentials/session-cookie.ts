import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { EncryptJWT, errors, type JWTPayload, jwtDecrypt } from 'jose';

/** The encryption of `@auth0/auth0-hono` 1.x and of Auth0's other server libraries: one cookie, one derived key. */
const ENCRYPTION = { alg: 'dir', enc: 'A256CBC-HS512' } as const;
const KEY_BITS = 512;
const INFO = 'derived cookie encryption secret';
/** As the libraries have it. */
const LEEWAY_SECONDS = 15;

const SIGN_IN = 'the session cookie is not valid; sign in again';

/** The cookie's name is part of the salt: what one cookie carries is worthless in another. */
async function keyOf(secret: string, cookie: string, kid: string): Promise<Uint8Array> {
  const encoder = new TextEncoder();
  const key = await crypto.subtle.importKey('raw', encoder.encode(secret), 'HKDF', false, ['deriveBits']);
  const salt = encoder.encode(cookie + kid);
  const how = { name: 'HKDF', hash: 'SHA-256', info: encoder.encode(INFO), salt };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, KEY_BITS));
}

/** A cookie's value: the payload encrypted (RFC 7516 §7.1), good until `exp` of it. */
export async function sealCookie(
  payload: JWTPayload & { readonly exp: number },
  cookie: { readonly name: string; readonly secret: string; readonly kid: string },
): Promise<string> {
  const key = await keyOf(cookie.secret, cookie.name, cookie.kid);
  return new EncryptJWT(payload).setProtectedHeader({ ...ENCRYPTION, kid: cookie.kid }).encrypt(key);
}

/**
 * What a cookie carries. Anything that this secret did not encrypt under this name is malformed, never "no cookie".
 * `exp` may be a fraction, as the libraries write it. `now` in ms.
 */
export async function openCookie(
  jwe: string,
  cookie: { readonly name: string; readonly secret: string },
  now: number,
): Promise<Outcome<JWTPayload>> {
  try {
    const { payload } = await jwtDecrypt(
      jwe,
      ({ kid }) => keyOf(cookie.secret, cookie.name, typeof kid === 'string' ? kid.slice(0, 64) : ''),
      {
        keyManagementAlgorithms: [ENCRYPTION.alg],
        contentEncryptionAlgorithms: [ENCRYPTION.enc],
        clockTolerance: LEEWAY_SECONDS,
        currentDate: new Date(now),
        requiredClaims: ['exp'],
      },
    );
    return ok(payload);
  } catch (error) {
    if (error instanceof errors.JWTExpired) return err('credential_expired', { detail: 'cookie' });
    // A header that is no JSON, and a key that does not fit, come out of the decoder as plain type errors.
    if (error instanceof errors.JOSEError || error instanceof TypeError)
      return err('credential_malformed', { hint: SIGN_IN });
    throw error;
  }
}
