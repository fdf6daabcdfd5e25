/**
 * A store of files, the segments of the audit log. A file never changes, and a name has one content, so that a file which
 * is there needs no second writing. Methods reject where the store does not answer, or refuses.
 */
export interface ArchiveStore {
  /** `undefined` where there is none. */
  get(name: string): Promise<ReadableStream<Uint8Array> | undefined>;
  /** Durable when it resolves. A file of that name stays as it is. */
  put(name: string, content: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Resolves also where there is none. */
  delete(name: string): Promise<void>;
}

export const CONTENT_TYPE = 'application/gzip';
/** RFC 9110 §13.1.2: only where there is none. */
export const IF_NONE = { 'if-none-match': '*' };

/** A bucket as far as an archive needs one; what an R2 binding is. */
export interface ArchiveBucket {
  get(key: string): Promise<{ readonly body: ReadableStream<Uint8Array> } | null>;
  put(
    key: string,
    value: Uint8Array<ArrayBuffer>,
    options: { onlyIf: Headers; httpMetadata: { contentType: string } },
  ): Promise<unknown>;
  delete(key: string): Promise<void>;
}

/** Objects in a bucket of R2, beside others: `segments/…`. */
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
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
