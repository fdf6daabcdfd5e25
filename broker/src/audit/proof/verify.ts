import type { KeySet, SetAlgorithm } from '@agent-ticket/shared/key-set.ts';
import { CHAIN_START } from '../chain.ts';
import { type CheckpointClaims, readCheckpoint } from '../checkpoint.ts';
import { CheckpointTrail } from './checkpoint-trail.ts';
import { EventTrail } from './event-trail.ts';
import { type CheckpointLine, readLine, type SegmentLine } from './export-line.ts';
import type { Faults, Verification } from './verification.ts';

/** The end of the log as an anchor has it. */
export type Anchor = Pick<CheckpointClaims, 'n' | 'through' | 'hash'>;

/**
 * Reads an unfiltered export, in the order of its lines. Needs nothing but the audit keys. Holds the events since the
 * last checkpoint. Does NOT know whether the keys are the right ones: get them another way than the export. Nor
 * whether events before its first checkpoint ever were: {@link Verification.from} says where it begins.
 *
 * @param anchorKept a checkpoint that was kept elsewhere: its JWS, or the seal that the control database has noted, which
 * deserves as much trust as the source of the file
 */
export async function verifyExport(
  lines: AsyncIterable<string> | Iterable<string>,
  keys: KeySet<SetAlgorithm>,
  anchorKept?: string | Anchor,
): Promise<Verification> {
  const anchor = typeof anchorKept === 'string' ? await readCheckpoint(anchorKept, keys) : anchorKept;
  const faults: Faults = { content: [], order: [], tail: [] };
  if (anchorKept !== undefined && anchor === undefined)
    faults.tail.push('the anchor is not signed by any of the keys');
  const reader = new ExportReader(keys, anchor, faults);
  let number = 0;
  for await (const text of lines) {
    number += 1;
    const { ambiguous, content } = readLine(text);
    if (ambiguous) faults.content.push(`line ${number} has a member twice`);
    if (content === undefined) faults.content.push(`line ${number} is neither an event nor a checkpoint`);
    else if (content.kind === 'event') reader.events.take(content.number, content.event);
    else if (content.kind === 'segment') reader.takeLost(content.line);
    else await reader.takeCheckpoint(content.line);
  }
  return reader.close();
}

const SEGMENT_FAULTS: Readonly<Record<SegmentLine['fault'], string>> = {
  missing: 'is not there',
  altered: 'is not what was written',
  no_archive: 'cannot be read: the broker has no archive',
};

class ExportReader {
  readonly events: EventTrail;
  readonly #checkpoints: CheckpointTrail;
  readonly #anchor: AnchorWatch;
  readonly #faults: Faults;
  readonly #lost: string[] = [];

  constructor(keys: KeySet<SetAlgorithm>, anchor: Anchor | undefined, faults: Faults) {
    this.events = new EventTrail(faults);
    this.#checkpoints = new CheckpointTrail(keys, faults);
    this.#anchor = new AnchorWatch(anchor, faults);
    this.#faults = faults;
  }

  async takeCheckpoint(line: CheckpointLine): Promise<void> {
    const { events } = this;
    const claims = await this.#checkpoints.read(line);
    if (claims === undefined) return;
    this.#anchor.compare(claims);
    if (!this.#checkpoints.take(claims, events.begun && events.begins === 1)) return;
    if (events.begun) await events.closeRun(claims);
    // On the first line it is the base of the rest.
    else events.begin(claims.through);
  }

  takeLost({ name, from, through, fault }: SegmentLine): void {
    this.events.skip(from, through);
    this.#lost.push(`segment ${name} of the archive, events ${from} to ${through}, ${SEGMENT_FAULTS[fault]}`);
  }

  async close(): Promise<Verification> {
    const { events } = this;
    const provenThrough = await this.#anchor.provenThrough(this.#checkpoints.last, events);
    const { content, order, tail } = this.#faults;
    return {
      events: events.count,
      checkpoints: this.#checkpoints.count,
      from: events.begins,
      purgedThrough: events.purgedThrough,
      content: [...content, ...this.#checkpoints.otherKeys(), ...this.#bareness(provenThrough)],
      order,
      gaps: [...this.#lost, ...events.gaps(), ...this.#checkpoints.gaps()],
      tail: {
        faults: tail,
        provenThrough,
        unproven: Math.max(0, events.end - provenThrough),
        anchored: this.#anchor.found,
      },
    };
  }

  /** Without any checkpoint events can be anything: that must not look like an export of a good log. */
  #bareness(provenThrough: number): string[] {
    const { events } = this;
    // As is the file of a download that failed.
    if (events.count === 0 && this.#checkpoints.count === 0) return ['there is nothing in it'];
    const bare = events.count > 0 && provenThrough < events.begins;
    return bare ? ['no event in it is covered by a checkpoint that one of the keys signed'] : [];
  }
}

/** Looks for a checkpoint that was kept elsewhere: where it fits, nothing before it was cut off the end. */
class AnchorWatch {
  readonly #anchor: Anchor | undefined;
  readonly #faults: Faults;
  #found = false;

  constructor(anchor: Anchor | undefined, faults: Faults) {
    this.#anchor = anchor;
    this.#faults = faults;
  }

  get found(): boolean {
    return this.#found;
  }

  compare({ n, hash }: CheckpointClaims): void {
    if (this.#anchor?.n !== n) return;
    this.#found = true;
    if (this.#anchor.hash !== hash) this.#faults.tail.push(`checkpoint ${n} is another one than the anchor`);
  }

  /** At the end of the export, for an anchor that is no line of it. Answers up to where events are proven. */
  async provenThrough(last: CheckpointClaims | undefined, events: EventTrail): Promise<number> {
    const anchor = this.#anchor;
    const proven = last?.through ?? 0;
    if (anchor === undefined || this.#found) return proven;
    const fault = (text: string): number => {
      this.#faults.tail.push(text);
      return proven;
    };
    if (anchor.through > events.end)
      return fault(`it ends with event ${events.end}, but the anchor covers events up to ${anchor.through}`);
    if (last !== undefined && anchor.n < last.n)
      return fault('the checkpoint that is the anchor is not in it');
    const head = await events.headAfter(last?.hash ?? CHAIN_START, proven, anchor.through);
    this.#found = head === anchor.hash;
    return this.#found
      ? anchor.through
      : fault('the events after the last checkpoint are not what the anchor covers');
  }
}
