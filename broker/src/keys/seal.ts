import { base64url, type JWK } from 'jose';
import * as z from 'zod';

/** What a sealed key is bound to: moved to another row, or relabelled, it no longer opens. */
interface KeyLabel {
  readonly kid: string;
  readonly alg: string;
  readonly purpose: string;
}

/** AES-GCM nonce, 96 bits at random (NIST SP 800-38D §8.2.2); a key-encryption key seals far fewer than 2^32 keys. */
const NONCE_BYTES = 12;

const PrivateJwk = z.object({
  kty: z.enum(['EC', 'OKP']),
  crv: z.string(),
  x: z.string(),
  y: z.string().optional(),
  d: z.string(),
});

export const importKeyEncryptionKey = (raw: Uint8Array<ArrayBuffer>): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']);

const labelBytes = ({ kid, alg, purpose }: KeyLabel): Uint8Array<ArrayBuffer> =>
  new Uint8Array(new TextEncoder().encode(JSON.stringify([purpose, alg, kid])));

/** Encrypts a private JWK for rest. The label is authenticated with it. */
export async function seal(
  kek: CryptoKey,
  label: KeyLabel,
  privateJwk: JWK,
  randomBytes: (length: number) => Uint8Array<ArrayBuffer>,
): Promise<string> {
  const iv = randomBytes(NONCE_BYTES);
  const plain = new TextEncoder().encode(JSON.stringify(privateJwk));
  const sealed = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: labelBytes(label) },
    kek,
    plain,
  );
  return `${base64url.encode(iv)}.${base64url.encode(new Uint8Array(sealed))}`;
}

/** The private JWK, or `undefined` for text that this key-encryption key did not seal under this label. */
export async function unseal(kek: CryptoKey, label: KeyLabel, sealed: string): Promise<JWK | undefined> {
  const [nonce = '', body = ''] = sealed.split('.');
  try {
    const iv = new Uint8Array(base64url.decode(nonce));
    const data = new Uint8Array(base64url.decode(body));
    const plain = await crypto.subtle.decrypt(
      { name: 'AES-GCM', iv, additionalData: labelBytes(label) },
      kek,
      data,
    );
    const jwk = PrivateJwk.safeParse(JSON.parse(new TextDecoder().decode(plain)));
    if (!jwk.success) return undefined;
    const { y, ...members } = jwk.data;
    return y === undefined ? members : { ...members, y };
  } catch (error) {
    // WebCrypto says "operation failed" for a wrong key or tag; a bad encoding is a SyntaxError or TypeError.
    if (error instanceof DOMException || error instanceof SyntaxError || error instanceof TypeError)
      return undefined;
    throw error;
  }
}

/** Keys that seal keys. Whatever is sealed anew is sealed with `current`; `previous` only opens. */
export interface SealingKeys {
  readonly current: CryptoKey;
  readonly previous?: CryptoKey;
}

/** Opens with whichever key fits, and says which. */
export async function unsealWith(
  { current, previous }: SealingKeys,
  label: KeyLabel,
  sealed: string,
): Promise<{ readonly jwk: JWK; readonly by: keyof SealingKeys } | undefined> {
  const jwk = await unseal(current, label, sealed);
  if (jwk !== undefined) return { jwk, by: 'current' };
  const old = previous === undefined ? undefined : await unseal(previous, label, sealed);
  return old === undefined ? undefined : { jwk: old, by: 'previous' };
}
