import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  KeyObject,
  type JsonWebKey as NodeJwk,
  sign,
  verify,
  type webcrypto,
} from 'node:crypto';

type Key = webcrypto.CryptoKey;
type Bytes = ArrayBuffer | ArrayBufferView;

const bufferOf = (bytes: Bytes): Buffer =>
  bytes instanceof ArrayBuffer
    ? Buffer.from(bytes)
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
/** A copy, because the buffers of Node are parts of a pool. */
const own = (buffer: Buffer): ArrayBuffer => new Uint8Array(buffer).buffer;
const nameOf = (algorithm: string | { readonly name: string }): string =>
  typeof algorithm === 'string' ? algorithm : algorithm.name;
/** Node warns if code reads a `KeyObject` from a key that is not extractable, so this map keeps the objects. */
const keyObjects = new WeakMap<Key, KeyObject>();
const keyObjectOf = (key: Key): KeyObject => keyObjects.get(key) ?? KeyObject.from(key);
function cryptoKeyOf(
  object: KeyObject,
  algorithm: webcrypto.AlgorithmIdentifier,
  extractable: boolean,
  usages: webcrypto.KeyUsage[],
): Key {
  const key = object.toCryptoKey(algorithm, extractable, usages);
  keyObjects.set(key, object);
  return key;
}

const TAG_BYTES = 16;

interface AesParameters {
  readonly name: string;
  readonly iv: Bytes;
  readonly additionalData?: Bytes;
}

/** The parameters that Node needs to sign and verify as WebCrypto does. */
function signing(algorithm: string, key: Key) {
  const object = keyObjectOf(key);
  if (algorithm === 'ECDSA')
    return { digest: 'sha256', key: { key: object, dsaEncoding: 'ieee-p1363' } as const };
  if (algorithm === 'RSASSA-PKCS1-v1_5') return { digest: 'sha256', key: { key: object } };
  if (algorithm === 'Ed25519') return { digest: null, key: { key: object } };
  throw new TypeError(`no ${algorithm} here`);
}

/**
 * WebCrypto by the synchronous functions of Node, with real keys and signatures. It answers in the same turn of the event
 * loop. The WebCrypto of Node answers from a thread, at a time that a seed cannot repeat. Generated keys come from
 * `randomBytes`.
 */
export function syncCrypto(randomBytes: (length: number) => Buffer) {
  const subtle = {
    async digest(_algorithm: unknown, data: Bytes): Promise<ArrayBuffer> {
      return own(createHash('sha256').update(bufferOf(data)).digest());
    },

    async importKey(
      format: string,
      data: Bytes | NodeJwk,
      algorithm: webcrypto.AlgorithmIdentifier,
      extractable: boolean,
      usages: webcrypto.KeyUsage[],
    ): Promise<Key> {
      if (format === 'raw' && (data instanceof ArrayBuffer || ArrayBuffer.isView(data)))
        return cryptoKeyOf(createSecretKey(bufferOf(data)), algorithm, extractable, usages);
      if (format !== 'jwk' || data instanceof ArrayBuffer || ArrayBuffer.isView(data))
        throw new TypeError(`no format ${format} here`);
      const jwk = { key: data, format: 'jwk' } as const;
      try {
        const key = data.d === undefined ? createPublicKey(jwk) : createPrivateKey(jwk);
        return cryptoKeyOf(key, algorithm, extractable, usages);
      } catch (error) {
        throw new DOMException(`invalid key: ${String(error)}`, 'DataError');
      }
    },

    async exportKey(_format: 'jwk', key: Key): Promise<object> {
      return { ...keyObjectOf(key).export({ format: 'jwk' }), ext: key.extractable, key_ops: key.usages };
    },

    /** Only on the curve P-256, because a broker makes other keys only on request. */
    async generateKey(algorithm: { readonly name: string }, extractable: boolean) {
      if (algorithm.name !== 'ECDSA') throw new TypeError(`no ${algorithm.name} keys here`);
      const pair = createECDH('prime256v1');
      const secret = randomBytes(32);
      // A private key must be below the order of the group.
      secret[0] = (secret[0] ?? 0) & 0x7f;
      pair.setPrivateKey(secret);
      const point = pair.getPublicKey();
      const x = point.subarray(1, 33).toString('base64url');
      const y = point.subarray(33).toString('base64url');
      const members = { kty: 'EC', crv: 'P-256', x, y };
      const curve = { name: 'ECDSA', namedCurve: 'P-256' };
      return {
        publicKey: cryptoKeyOf(createPublicKey({ key: members, format: 'jwk' }), curve, true, ['verify']),
        privateKey: cryptoKeyOf(
          createPrivateKey({ key: { ...members, d: secret.toString('base64url') }, format: 'jwk' }),
          curve,
          extractable,
          ['sign'],
        ),
      };
    },

    async sign(algorithm: string | { readonly name: string }, key: Key, data: Bytes): Promise<ArrayBuffer> {
      const name = nameOf(algorithm);
      if (name === 'HMAC') return own(createHmac('sha256', keyObjectOf(key)).update(bufferOf(data)).digest());
      const { digest, key: by } = signing(name, key);
      return own(sign(digest, bufferOf(data), by));
    },

    async verify(
      algorithm: string | { readonly name: string },
      key: Key,
      signature: Bytes,
      data: Bytes,
    ): Promise<boolean> {
      const name = nameOf(algorithm);
      if (name === 'HMAC')
        return createHmac('sha256', keyObjectOf(key))
          .update(bufferOf(data))
          .digest()
          .equals(bufferOf(signature));
      const { digest, key: by } = signing(name, key);
      return verify(digest, bufferOf(data), by, bufferOf(signature));
    },

    async encrypt({ iv, additionalData }: AesParameters, key: Key, data: Bytes): Promise<ArrayBuffer> {
      const cipher = createCipheriv('aes-256-gcm', keyObjectOf(key), bufferOf(iv));
      if (additionalData !== undefined) cipher.setAAD(bufferOf(additionalData));
      const text = Buffer.concat([cipher.update(bufferOf(data)), cipher.final()]);
      return own(Buffer.concat([text, cipher.getAuthTag()]));
    },

    async decrypt({ iv, additionalData }: AesParameters, key: Key, data: Bytes): Promise<ArrayBuffer> {
      const sealed = bufferOf(data);
      const cipher = createDecipheriv('aes-256-gcm', keyObjectOf(key), bufferOf(iv));
      if (additionalData !== undefined) cipher.setAAD(bufferOf(additionalData));
      cipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      try {
        return own(Buffer.concat([cipher.update(sealed.subarray(0, -TAG_BYTES)), cipher.final()]));
      } catch (error) {
        throw new DOMException(`operation failed: ${String(error)}`, 'OperationError');
      }
    },
  };

  return {
    subtle,
    randomUUID(): string {
      const bytes = randomBytes(16);
      bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
      bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
      const hex = bytes.toString('hex');
      return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join(
        '-',
      );
    },
    getRandomValues<T extends Uint8Array>(into: T): T {
      into.set(randomBytes(into.byteLength));
      return into;
    },
  };
}
