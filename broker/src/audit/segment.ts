import type { SegmentRow } from '@agent-ticket/drizzle/record/audit-segments.ts';
import { type ArchiveStore, askArchive, sha256 } from './archive-store.ts';
import type { SegmentLine } from './proof/export-line.ts';

/*
 * A segment is a file of the archive: the lines of an export from one checkpoint to another, compressed. The checkpoint
 * before the segment is its first line. So one segment can be verified alone, and several in order as one export.
 */

const padded = (n: number): string => String(n).padStart(12, '0');

/**
 * The name has the numbers of the checkpoints, so names sort in the order of the log. After a restore, a lost log and the
 * new log have numbers in common: the digest makes the names of their segments different.
 */
export function segmentName(segment: SegmentRow): string {
  if (!isSegment(segment)) throw new Error('a row of audit_segments is none that a broker wrote');
  const { fromN, n, digest } = segment;
  return `${padded(fromN)}-${padded(n)}-${digest.slice(0, 16)}.ndjson.gz`;
}

/**
 * Whether a row has the types of its columns, which SQLite does not enforce. Code of agents can write the record database,
 * and a name decides which file of the archive is read or deleted.
 */
export const isSegment = ({ fromN, n, bytes, digest }: SegmentRow): boolean =>
  [fromN, n, bytes].every((value) => Number.isSafeInteger(value) && value >= 0) &&
  /^[0-9a-f]{64}$/.test(digest);

const bytesOf = async (body: ConstructorParameters<typeof Response>[0]): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await new Response(body).arrayBuffer());

/** The joined parts of a text, and the same text compressed. */
export async function compress(parts: readonly Blob[]) {
  const text = new Blob([...parts]);
  return {
    text: await bytesOf(text.stream()),
    content: await bytesOf(text.stream().pipeThrough(new CompressionStream('gzip'))),
  };
}

/**
 * The reason why a segment cannot be read: the archive has no file of that name, the content of the file was changed, or
 * the broker has no archive any more. A store that does not answer is not such a reason.
 */
export type SegmentFault = SegmentLine['fault'];

/**
 * Some ten times the text of a full segment. Limits the memory that a row of the record database can make a broker use.
 */
export const MAX_TEXT_BYTES = 64 * 1024 * 1024;
/** The bytes that gzip may add to a text that it cannot compress. */
const GZIP_BYTES = 64 * 1024;

/**
 * The text of a segment, or the reason why it cannot be read. The record database has the digest, so an attacker who can
 * write only the archive cannot change an event without detection. Reads no more bytes than the row of the segment says.
 */
export async function readSegment(
  archive: Pick<ArchiveStore, 'get'> | undefined,
  segment: SegmentRow,
): Promise<Uint8Array<ArrayBuffer> | SegmentFault> {
  if (archive === undefined) return 'no_archive';
  if (!isSegment(segment)) return 'altered';
  const { bytes, digest } = segment;
  const most = Math.min(bytes, MAX_TEXT_BYTES);
  const content = await askArchive(async (answered) => {
    const body = await answered(archive.get(segmentName(segment)));
    return body === undefined ? 'missing' : upTo(most + GZIP_BYTES, body, answered);
  });
  if (content === 'missing') return content;
  const text = content && (await decompress(content, most));
  return text !== undefined && (await sha256(text)) === digest ? text : 'altered';
}

/**
 * All bytes of a stream. `undefined`: the stream has more than `most`. Each part of it goes through `read`; the stream is
 * cancelled when that rejects.
 */
async function upTo(
  most: number,
  body: ReadableStream<Uint8Array>,
  read: <Part>(part: Promise<Part>) => Promise<Part> = (part) => part,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const reader = body.getReader();
  let isRead = false;
  try {
    for (;;) {
      const { done, value } = await read(reader.read());
      isRead = done;
      if (value === undefined) return await bytesOf(new Blob(chunks).stream());
      length += value.length;
      if (length > most) return undefined;
      chunks.push(new Uint8Array(value));
    }
  } finally {
    // Not awaited: a store that does not answer does not answer this either. A stream that has failed rejects with that.
    if (!isRead) reader.cancel().catch(() => {});
  }
}

/** `undefined`: the bytes are not gzip, or are more than `most` when decompressed. */
async function decompress(
  content: Uint8Array<ArrayBuffer>,
  most: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await upTo(most, new Blob([content]).stream().pipeThrough(new DecompressionStream('gzip')));
  } catch (error) {
    // The error of the standard for data in another format. The bytes are in memory, so this is no fault of a network.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
