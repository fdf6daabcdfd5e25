import { base64url } from 'jose';

/**
 * Secrets of service tokens: `atk_`, the 22 characters of the token's id, `_`, 43 base62 characters (256 bits), 6 of a
 * CRC-32 over everything before it. The id makes account and row known before any lookup. The checksum tells a typo
 * from a wrong secret without a database read; it protects nothing.
 */

const PREFIX = 'atk_';
const ID_PREFIX = 'svc_';
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 22;
const RANDOM_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
/** The greatest multiple of 62 in a byte: bytes above it would make the first characters likelier. */
const UNBIASED_BELOW = 248;

const NAMES_TOKEN = /^atk_([0-9A-Za-z]{22})_/;
const SHAPE = /^atk_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}$/;

type RandomBytes = (length: number) => Uint8Array;

/** `length` characters of base62, each equally likely. */
export function randomBase62(length: number, randomBytes: RandomBytes): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < UNBIASED_BELOW && text.length < length) text += ALPHABET.charAt(byte % 62);
    }
  }
  return text;
}

/** The id of a new service token, which is its OAuth `client_id`. */
export const makeTokenId = (randomBytes: RandomBytes): string =>
  ID_PREFIX + randomBase62(ID_LENGTH, randomBytes);

/** A new secret of the service token with this id. */
export function makeSecret(tokenId: string, randomBytes: RandomBytes): string {
  const body = `${PREFIX}${tokenId.slice(ID_PREFIX.length)}_${randomBase62(RANDOM_LENGTH, randomBytes)}`;
  return body + checksum(body);
}

/** Whether a bearer token claims to be one of ours, well-formed or not. */
export const looksLikeSecret = (text: string): boolean => text.startsWith(PREFIX);

/** The id of the service token that a secret names, with a typo further on or not; `undefined` where it names none. */
export function tokenIdIn(secret: string): string | undefined {
  const [, id] = NAMES_TOKEN.exec(secret) ?? [];
  return id === undefined ? undefined : ID_PREFIX + id;
}

/** Whether the text is a secret without a typo. Says nothing about whether it was ever issued. */
export const isWellFormed = (text: string): boolean =>
  SHAPE.test(text) && text.slice(-CHECKSUM_LENGTH) === checksum(text.slice(0, -CHECKSUM_LENGTH));

/**
 * The digest that is stored and compared: HMAC-SHA-256 with the broker's pepper. A fast hash is enough at 256 bits of
 * entropy. Without the pepper nobody can choose a digest, so the timing of a text comparison of digests is useless to
 * an attacker.
 */
export async function digestSecret(secret: string, pepper: Uint8Array<ArrayBuffer>): Promise<string> {
  let key = peppers.get(pepper);
  if (key === undefined) {
    key = await crypto.subtle.importKey('raw', pepper, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
    peppers.set(pepper, key);
  }
  return base64url.encode(
    new Uint8Array(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(secret))),
  );
}

/** Peppers as keys, by their bytes in the configuration: each is imported once. */
const peppers = new WeakMap<Uint8Array, CryptoKey>();

function checksum(text: string): string {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  let rest = ~crc >>> 0;
  let digits = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i += 1) {
    digits = ALPHABET.charAt(rest % 62) + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}
