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

/**
 * The store did not answer in time, could not be reached, or refused. Its message and `loggable` have the status and the
 * code of the answer: never a text that the store chose, a URL or a credential.
 */
export class ArchiveFault extends Error {
  readonly loggable: string;
  /** @param what what the store did: `answered 503 SlowDown`. */
  constructor(what: string, cause?: unknown) {
    super(`the archive ${what}`, { cause });
    this.name = 'ArchiveFault';
    this.loggable = this.message;
  }
}

/** The time that one request to a store may take, with the content of its file. In ms. */
export const REQUEST_MS = 15_000;

/**
 * One request to a store: what `request` resolves to. `answered` takes each promise of the store, and rejects with an
 * {@link ArchiveFault} if the promise rejects, or has not resolved `ms` after the request began.
 */
export async function askArchive<T>(
  request: (answered: <Part>(part: Promise<Part>) => Promise<Part>) => Promise<T>,
  ms = REQUEST_MS,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new ArchiveFault(`did not answer within ${ms / 1000} s`)), ms);
  });
  // Nobody may be waiting at that moment.
  late.catch(() => {});
  try {
    return await request(async (part) => {
      try {
        return await Promise.race([part, late]);
      } catch (error) {
        throw error instanceof ArchiveFault ? error : new ArchiveFault(`failed${bucketCode(error)}`, error);
      }
    });
  } finally {
    clearTimeout(timer);
  }
}

/** R2 has its code at the end of its message. The code of a system is that of the cause, which `describeError` names. */
const bucketCode = (error: unknown): string =>
  (error instanceof Error && / \(\d{5}\)$/.exec(error.message)?.[0]) || '';

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
