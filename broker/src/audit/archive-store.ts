import { hex } from '@agent-ticket/shared/hex.ts';

/**
 * A store of files, the segments of the audit log. A file never changes, and a name has only one content, so an existing
 * file needs no second write. A method rejects if the store does not answer, or refuses.
 */
export interface ArchiveStore {
  /** `undefined`: there is no such file. */
  get(name: string): Promise<ReadableStream<Uint8Array> | undefined>;
  /** The file is durable when the promise resolves. An existing file of that name does not change. */
  put(name: string, content: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Resolves also if there is no such file. */
  delete(name: string): Promise<void>;
}

export const CONTENT_TYPE = 'application/gzip';
/** RFC 9110 §13.1.2: write only if there is no such file. */
export const IF_NONE = { 'if-none-match': '*' };

/** The part of an R2 binding that an archive needs. */
export interface ArchiveBucket {
  get(key: string): Promise<{ readonly body: ReadableStream<Uint8Array> } | null>;
  put(
    key: string,
    value: Uint8Array<ArrayBuffer>,
    options: { onlyIf: Headers; httpMetadata: { contentType: string } },
  ): Promise<unknown>;
  delete(key: string): Promise<void>;
}

/** Objects in a bucket of R2, which may have other objects as well: `segments/…`. */
export function bucketArchive(bucket: ArchiveBucket): ArchiveStore {
  const keyOf = (name: string): string => `segments/${name}`;
  return {
    get: async (name) => (await bucket.get(keyOf(name)))?.body,
    async put(name, content) {
      const onlyIf = new Headers(IF_NONE);
      await bucket.put(keyOf(name), content, { onlyIf, httpMetadata: { contentType: CONTENT_TYPE } });
    },
    delete: (name) => bucket.delete(keyOf(name)),
  };
}

/** In hexadecimal. */
export async function sha256(content: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
  return hex(digest);
}
