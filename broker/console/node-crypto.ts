import { sha256 } from '@noble/hashes/sha2.js';
import { base64url } from 'jose';

/**
 * The part of `node:crypto` that the hash chain of the audit log uses, for a page. The hash of WebCrypto is
 * asynchronous, and each head needs the one before.
 */
export function createHash(algorithm: 'sha256') {
  if (algorithm !== 'sha256') throw new TypeError('only SHA-256');
  const hash = sha256.create();
  const adding = {
    update(data: Uint8Array | string, _encoding?: 'utf8') {
      hash.update(typeof data === 'string' ? new TextEncoder().encode(data) : data);
      return adding;
    },
    digest: (_encoding: 'base64url'): string => base64url.encode(hash.digest()),
  };
  return adding;
}
