import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import * as z from 'zod';
import { repeatsMember } from './repeated-member.ts';

const CheckpointLine = z.looseObject({
  n: z.int().positive(),
  jws: z.string(),
});
/** A checkpoint as an export has it: signed, and some of it in clear for whoever reads the file. */
export type CheckpointLine = z.infer<typeof CheckpointLine>;

const Line = z.union([
  z.strictObject({ event: z.looseObject({ seq: z.int().positive() }) }),
  z.strictObject({ checkpoint: CheckpointLine }),
]);

/** Keeps its member as it is. */
const Whole = z.object({ event: z.unknown() });

export interface ReadLine {
  /** A member stands in it twice, and readers differ on which of them counts. */
  readonly ambiguous: boolean;
  /** `undefined` for a line that is neither. */
  readonly content:
    | { readonly kind: 'event'; readonly number: number; readonly event: unknown }
    | { readonly kind: 'checkpoint'; readonly line: CheckpointLine }
    | undefined;
}

/** Deeper than any event; what goes on without end would end the program that reads it. */
const MAX_DEPTH = 16;

const isShallow = (value: unknown, depth = MAX_DEPTH): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (depth > 0 && Object.values(value).every((member) => isShallow(member, depth - 1)));

/** Reads one line of an export. */
export function readLine(text: string): ReadLine {
  const whole = readStrictJson(new TextEncoder().encode(text));
  const read = isShallow(whole) ? whole : undefined;
  return { ambiguous: read !== undefined && repeatsMember(text), content: contentOf(read) };
}

function contentOf(read: unknown): ReadLine['content'] {
  const line = Line.safeParse(read);
  if (!line.success) return undefined;
  if ('checkpoint' in line.data) return { kind: 'checkpoint', line: line.data.checkpoint };
  // What was read, not what zod made of it: a member that it leaves out was put in by somebody.
  return { kind: 'event', number: line.data.event.seq, event: Whole.parse(read).event };
}
