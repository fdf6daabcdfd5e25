import type { KeySet, SetAlgorithm } from '@agent-ticket/shared/key-set.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import * as z from 'zod';
import { CHAIN_START, chainOn } from './chain.ts';
import { type CheckpointClaims, namedKey, readCheckpoint } from './checkpoint.ts';
import { createMissing } from './missing.ts';

/** What an export shows, each question for itself. Empty lists: nothing against it. */
export interface Verification {
  readonly events: number;
  readonly checkpoints: number;
  /** The first event that it can hold; earlier ones were purged, or are in another export. */
  readonly begins: number;
  /** Events that are not what a checkpoint signed, and checkpoints that no key signed. */
  readonly content: readonly string[];
  /** Events and checkpoints out of their place, or twice. */
  readonly order: readonly string[];
  /** What is not there. */
  readonly gaps: readonly string[];
  readonly tail: Tail;
}

export interface Tail {
  readonly faults: readonly string[];
  /** Events up to here are what was signed, if there is nothing in the other lists. */
  readonly provenThrough: number;
  /** Events after that: in no checkpoint yet. */
  readonly unproven: number;
  /** Whether an anchor shows that nothing before it was cut off the end. Without one nobody can tell. */
  readonly anchored: boolean;
}

const CheckpointLine = z.looseObject({
  n: z.int().positive(),
  jws: z.string(),
  through: z.unknown().optional(),
  count: z.unknown().optional(),
  hash: z.unknown().optional(),
});
type CheckpointLine = z.infer<typeof CheckpointLine>;

const Line = z.union([
  z.strictObject({ event: z.looseObject({ seq: z.int().positive() }) }),
  z.strictObject({ checkpoint: CheckpointLine }),
]);

/** Keeps its member as it is. */
const Whole = z.object({ event: z.unknown() });

type Events = Map<number, unknown>;

/**
 * Reads an unfiltered export, in the order of its lines. Needs nothing but the audit keys. Holds the events since the
 * last checkpoint. Does NOT know whether the keys are the right ones: get them another way than the export. Nor
 * whether events before its first checkpoint ever were: {@link Verification.begins} says where it begins.
 *
 * @param anchorJws a checkpoint that was kept elsewhere
 */
export async function verifyExport(
  lines: AsyncIterable<string> | Iterable<string>,
  keys: KeySet<SetAlgorithm>,
  anchorJws?: string,
): Promise<Verification> {
  const anchor = anchorJws === undefined ? undefined : await readCheckpoint(anchorJws, keys);
  const reader = new ExportReader(keys, anchor);
  if (anchorJws !== undefined && anchor === undefined)
    reader.tailFaults.push('the anchor is not signed by any of the keys');
  let number = 0;
  for await (const text of lines) {
    number += 1;
    if (text.trim() === '') continue;
    const read = parse(text);
    const line = Line.safeParse(read);
    if (!line.success) reader.content.push(`line ${number} is neither an event nor a checkpoint`);
    // What was read, not what zod made of it: a member that it leaves out was put in by somebody.
    else if ('event' in line.data) reader.takeEvent(line.data.event.seq, Whole.parse(read).event);
    else await reader.takeCheckpoint(line.data.checkpoint);
  }
  return reader.close();
}

class ExportReader {
  readonly content: string[] = [];
  readonly tailFaults: string[] = [];
  readonly #keys: KeySet<SetAlgorithm>;
  readonly #anchor: CheckpointClaims | undefined;
  readonly #order: string[] = [];
  readonly #beginning: string[] = [];
  readonly #lostEvents = createMissing();
  readonly #lostCheckpoints = createMissing();
  readonly #twice = new Set<number>();
  /** Events that no checkpoint has covered yet. */
  #waiting: Events = new Map();
  #last: CheckpointClaims | undefined;
  /** Not missing, whatever else they are. */
  readonly #unsigned: number[] = [];
  /** By the key that they name and that is not there: a year of them is one fault. */
  readonly #ofOtherKeys = new Map<
    string,
    { readonly from: number; readonly to: number; readonly count: number }
  >();
  #anchored = false;
  #events = 0;
  #checkpoints = 0;
  #begins = 1;
  /** The greatest number that came; undefined until something tells where the export begins. */
  #seq: number | undefined;

  constructor(keys: KeySet<SetAlgorithm>, anchor: CheckpointClaims | undefined) {
    this.#keys = keys;
    this.#anchor = anchor;
  }

  takeEvent(number: number, event: unknown): void {
    this.#events += 1;
    if (this.#seq === undefined && number > 1) {
      this.#beginning.push(`it begins with event ${number} and without the checkpoint before it`);
      this.#begin(number - 1);
    }
    const reached = this.#seq ?? 0;
    if (number > reached + 1) this.#lostEvents.add(reached + 1, number - 1);
    if (number <= reached) this.#takeLate(number, reached);
    this.#seq = Math.max(reached, number);
    if (!this.#waiting.has(number)) this.#waiting.set(number, event);
  }

  #takeLate(number: number, reached: number): void {
    const late = this.#lostEvents.found(number);
    this.#order.push(late ? `event ${number} comes after event ${reached}` : `event ${number} comes twice`);
    if (!late) this.#twice.add(number);
  }

  #begin(after: number): void {
    this.#seq = after;
    this.#begins = after + 1;
  }

  async takeCheckpoint({ n, jws, through, count, hash }: CheckpointLine): Promise<void> {
    this.#checkpoints += 1;
    const claims = await readCheckpoint(jws, this.#keys);
    if (claims === undefined || claims.n !== n) {
      this.#unsigned.push(n);
      const kid = namedKey(jws);
      if (kid === undefined || this.#keys.has(kid))
        this.content.push(`checkpoint ${n} is not signed by any of the keys`);
      else this.#noteOtherKey(kid, n);
      return;
    }
    // Whoever reads the line and not the signed text must not be misled. Either may be left out.
    const clear = { through, count, hash };
    if (differs(clear, claims)) this.content.push(`checkpoint ${n} says in clear what it did not sign`);
    if (this.#anchor?.n === n) this.#meetAnchor(this.#anchor, claims);
    const before = this.#last;
    if (before !== undefined && n <= before.n) {
      if (n < before.n) this.#order.push(`checkpoint ${n} comes after checkpoint ${before.n}`);
      return;
    }
    this.#last = claims;
    // On the first line it is what the rest stands on.
    if (this.#seq === undefined) this.#begin(claims.through);
    else await this.#closeRun(claims, before);
  }

  #noteOtherKey(kid: string, n: number): void {
    const { from, count } = this.#ofOtherKeys.get(kid) ?? { from: n, count: 0 };
    this.#ofOtherKeys.set(kid, { from, to: n, count: count + 1 });
  }

  #meetAnchor(anchor: CheckpointClaims, claims: CheckpointClaims): void {
    this.#anchored = true;
    if (anchor.hash !== claims.hash)
      this.tailFaults.push(`checkpoint ${claims.n} is another one than the anchor`);
  }

  async #closeRun(claims: CheckpointClaims, before: CheckpointClaims | undefined): Promise<void> {
    const { n, through } = claims;
    if (before !== undefined || this.#begins === 1) {
      const expected = (before?.n ?? 0) + 1;
      if (n > expected) this.#lostCheckpoints.add(expected, n - 1);
      if (n === expected && claims.previous !== (before?.hash ?? CHAIN_START))
        this.content.push(`checkpoint ${n} does not follow the one before it`);
    }
    const reached = this.#seq ?? 0;
    if (through > reached) {
      this.#lostEvents.add(reached + 1, through);
      this.#seq = through;
    }
    const fault = await compareRun(claims, this.#waiting, this.#twice);
    if (fault !== undefined) this.content.push(fault);
    this.#waiting = new Map([...this.#waiting].filter(([number]) => number > through));
  }

  async close(): Promise<Verification> {
    const end = this.#seq ?? 0;
    const provenThrough = await this.#findAnchor(end);
    for (const n of this.#unsigned) this.#lostCheckpoints.found(n);
    return {
      events: this.#events,
      checkpoints: this.#checkpoints,
      begins: this.#begins,
      content: [...this.content, ...this.#otherKeys(), ...this.#unproven(provenThrough)],
      order: this.#order,
      gaps: [
        ...this.#beginning,
        ...this.#lostEvents.said('event'),
        ...this.#lostCheckpoints.said('checkpoint'),
      ],
      tail: {
        faults: this.tailFaults,
        provenThrough,
        unproven: Math.max(0, end - provenThrough),
        anchored: this.#anchored,
      },
    };
  }

  /** Whoever takes every checkpoint away may write what they like: that must not look like an export of a good log. */
  #unproven(provenThrough: number): string[] {
    // As is the file of a download that failed.
    if (this.#events === 0 && this.#checkpoints === 0) return ['there is nothing in it'];
    const bare = this.#events > 0 && provenThrough < this.#begins;
    return bare ? ['no event in it is covered by a checkpoint that one of the keys signed'] : [];
  }

  #otherKeys(): string[] {
    return [...this.#ofOtherKeys].map(([kid, { from, to, count }]) =>
      count === 1
        ? `checkpoint ${from} is signed with key ${kid}, which is not among the keys`
        : `${count} checkpoints from ${from} to ${to} are signed with key ${kid}, which is not among the keys`,
    );
  }

  /** Looks for an anchor that is no line of the export; answers up to where events are proven. */
  async #findAnchor(end: number): Promise<number> {
    const [anchor, last] = [this.#anchor, this.#last];
    const proven = last?.through ?? 0;
    if (anchor === undefined || this.#anchored) return proven;
    if (anchor.through > end) {
      this.tailFaults.push(`it ends with event ${end}, but the anchor covers events up to ${anchor.through}`);
      return proven;
    }
    if (last !== undefined && anchor.n < last.n) {
      this.tailFaults.push('the checkpoint that is the anchor is not in it');
      return proven;
    }
    const head = await chain(last?.hash ?? CHAIN_START, proven, anchor.through, this.#waiting);
    this.#anchored = head === anchor.hash;
    if (this.#anchored) return anchor.through;
    this.tailFaults.push('the events after the last checkpoint are not what the anchor covers');
    return proven;
  }
}

const differs = (
  clear: Readonly<Record<'through' | 'count' | 'hash', unknown>>,
  signed: CheckpointClaims,
): boolean =>
  (['through', 'count', 'hash'] as const).some(
    (name) => clear[name] !== undefined && clear[name] !== signed[name],
  );

/** Whether the run of a checkpoint is what it signed. A run with a hole is a gap, and says nothing of the rest. */
async function compareRun(
  claims: CheckpointClaims,
  events: Events,
  twice: ReadonlySet<number>,
): Promise<string | undefined> {
  const { through, count, previous, hash, n } = claims;
  const head = await chain(previous, through - count, through, events);
  if (head === undefined || head === hash) return undefined;
  const from = through - count + 1;
  const doubled = [...twice].some((number) => from <= number && number <= through);
  return doubled ? undefined : `events ${from} to ${through} are not what checkpoint ${n} signed`;
}

/** The head after the events of a run, in the order of their numbers; `undefined` when one is missing. */
async function chain(
  start: string,
  after: number,
  through: number,
  events: Events,
): Promise<string | undefined> {
  let head: string | undefined = start;
  for (let number = after + 1; number <= through && head !== undefined; number += 1) {
    const event = events.get(number);
    head = event === undefined ? undefined : await chainOn(head, event);
  }
  return head;
}

/** `undefined` for what is no JSON. Of a member that is there twice the last one counts, as for every JavaScript reader. */
const parse = (text: string): unknown => readStrictJson(new TextEncoder().encode(text));

/** Whether an export withstands every question that was asked. An end without an anchor is no fault, only unproven. */
export const isSound = ({ content, order, gaps, tail }: Verification): boolean =>
  [content, order, gaps, tail.faults].every((list) => list.length === 0);
