import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import { base64url, type JWK } from 'jose';
import * as z from 'zod';

/** What a sealed text is bound to: moved to another row, or relabelled, it no longer opens. */
export interface SealLabel {
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

const labelBytes = ({ kid, alg, purpose }: SealLabel): Uint8Array<ArrayBuffer> =>
  new Uint8Array(new TextEncoder().encode(JSON.stringify([purpose, alg, kid])));

/** Encrypts a text for rest. The label is authenticated with it. */
export async function sealText(
  kek: CryptoKey,
  label: SealLabel,
  text: string,
  randomBytes: (length: number) => Uint8Array<ArrayBuffer>,
): Promise<string> {
  const iv = randomBytes(NONCE_BYTES);
  const sealed = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: labelBytes(label) },
    kek,
    new TextEncoder().encode(text),
  );
  return `${base64url.encode(iv)}.${base64url.encode(new Uint8Array(sealed))}`;
}

/** The text, or `undefined` for a sealed text of another key-encryption key or another label. */
async function unsealText(kek: CryptoKey, label: SealLabel, sealed: string): Promise<string | undefined> {
  const [nonce = '', body = ''] = sealed.split('.');
  try {
    const iv = new Uint8Array(base64url.decode(nonce));
    const data = new Uint8Array(base64url.decode(body));
    const plain = await crypto.subtle.decrypt(
      { name: 'AES-GCM', iv, additionalData: labelBytes(label) },
      kek,
      data,
    );
    return new TextDecoder().decode(plain);
  } catch (error) {
    // WebCrypto says "operation failed" for a wrong key or tag; a bad encoding is a SyntaxError or TypeError.
    if (error instanceof DOMException || error instanceof SyntaxError || error instanceof TypeError)
      return undefined;
    throw error;
  }
}

/** {@link sealText} of a private JWK. */
export const seal = (
  kek: CryptoKey,
  label: SealLabel,
  privateJwk: JWK,
  randomBytes: (length: number) => Uint8Array<ArrayBuffer>,
): Promise<string> => sealText(kek, label, JSON.stringify(privateJwk), randomBytes);

/** The private JWK, or `undefined` for text that this key-encryption key did not seal under this label. */
export async function unseal(kek: CryptoKey, label: SealLabel, sealed: string): Promise<JWK | undefined> {
  const text = await unsealText(kek, label, sealed);
  return text === undefined ? undefined : readPrivateJwk(text);
}

/** `undefined` for a text that is no private JWK. */
export function readPrivateJwk(text: string): JWK | undefined {
  const jwk = PrivateJwk.safeParse(parseJson(text));
  if (!jwk.success) return undefined;
  const { y, ...members } = jwk.data;
  return y === undefined ? members : { ...members, y };
}

/** Keys that seal keys and secrets. Every text is sealed with `current`; `previous` only opens. */
export interface SealingKeys {
  readonly current: CryptoKey;
  readonly previous?: CryptoKey;
}

/** Opens with whichever key fits, and says which. */
export async function unsealWith(
  { current, previous }: SealingKeys,
  label: SealLabel,
  sealed: string,
): Promise<{ readonly text: string; readonly by: keyof SealingKeys } | undefined> {
  const text = await unsealText(current, label, sealed);
  if (text !== undefined) return { text, by: 'current' };
  const old = previous === undefined ? undefined : await unsealText(previous, label, sealed);
  return old === undefined ? undefined : { text: old, by: 'previous' };
}
