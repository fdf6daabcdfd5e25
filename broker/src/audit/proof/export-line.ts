import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import * as z from 'zod';

const CheckpointLine = z.looseObject({
  n: z.int().positive(),
  jws: z.string(),
});
/** A checkpoint as an export has it: signed, and some of it in clear for people who read the file. */
export type CheckpointLine = z.infer<typeof CheckpointLine>;

/** What an export has in place of the events of a segment that the archive has lost. */
const SegmentLine = z.strictObject({
  /** Shown to a person, so of few characters. */
  name: z.string().regex(/^[A-Za-z0-9.-]{1,80}$/),
  from: z.int().positive(),
  through: z.int().nonnegative(),
  fault: z.enum(['missing', 'altered', 'no_archive']),
});
export type SegmentLine = z.infer<typeof SegmentLine>;

const Line = z.union([
  z.strictObject({ event: z.looseObject({ seq: z.int().positive() }) }),
  z.strictObject({ checkpoint: CheckpointLine }),
  z.strictObject({ segment: SegmentLine }),
]);

/** Keeps its member as it is. */
const Whole = z.object({ event: z.unknown(), checkpoint: z.unknown() }).partial();

interface ReadLine {
  /** A member is in it twice, and readers differ on which of them counts. */
  readonly ambiguous: boolean;
  /** `undefined` for a line that is none of these. */
  readonly content:
    | { readonly kind: 'event'; readonly number: number; readonly event: unknown }
    | { readonly kind: 'checkpoint'; readonly line: CheckpointLine }
    | { readonly kind: 'segment'; readonly line: SegmentLine }
    | undefined;
}

const Purge = z.object({ type: z.literal('audit.purged'), details: z.object({ through: z.int() }) });

/** Up to which event an event says that the log was purged; 0 where it says nothing of that. */
export const purgedThrough = (event: unknown): number => Purge.safeParse(event).data?.details.through ?? 0;

/** Deeper than any event; a text that nests without end would crash the program that reads it. */
const MAX_DEPTH = 16;

const isShallow = (value: unknown, depth = MAX_DEPTH): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (depth > 0 && Object.values(value).every((member) => isShallow(member, depth - 1)));

/** Reads one line of an export. White space around it, such as a CR, makes it none: nothing signs that. */
export function readLine(text: string): ReadLine {
  const isBare = text.startsWith('{') && text.endsWith('}');
  const whole = isBare ? readStrictJson(new TextEncoder().encode(text)) : undefined;
  const read = isShallow(whole) ? whole : undefined;
  return { ambiguous: read !== undefined && repeatsMember(text), content: contentOf(read) };
}

function contentOf(read: unknown): ReadLine['content'] {
  const line = Line.safeParse(read);
  if (!line.success) return undefined;
  if ('segment' in line.data) return { kind: 'segment', line: line.data.segment };
  const whole = Whole.parse(read);
  if ('checkpoint' in line.data) {
    // The schema leaves out `__proto__`, in which a remark could hide.
    const { checkpoint } = line.data;
    const isWhole = Object.keys(Object(whole.checkpoint)).every((name) => Object.hasOwn(checkpoint, name));
    return isWhole ? { kind: 'checkpoint', line: checkpoint } : undefined;
  }
  // The value as it was read, not the one of the schema: a member that the schema leaves out was added by somebody.
  return { kind: 'event', number: line.data.event.seq, event: whole.event };
}

/** Strings, braces and colons, in text that is known to be JSON. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}:]/g;

/**
 * Whether an object in a JSON text has a member twice, however its name is spelled. Readers differ on which one counts
 * (RFC 8259 §4), so that such a text has one meaning here and may have another for the next reader.
 */
export function repeatsMember(json: string): boolean {
  const objects: Set<unknown>[] = [];
  let last = '""';
  for (const [token] of json.matchAll(TOKENS)) {
    if (token === '{') objects.push(new Set());
    else if (token === '}') objects.pop();
    else if (token !== ':') last = token;
    else {
      const [names, name]: [Set<unknown> | undefined, unknown] = [objects.at(-1), JSON.parse(last)];
      if (names?.has(name)) return true;
      names?.add(name);
    }
  }
  return false;
}
