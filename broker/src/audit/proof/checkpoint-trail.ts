import type { KeySet, SetAlgorithm } from '@agent-ticket/shared/key-set.ts';
import { CHAIN_START } from '../chain.ts';
import { type CheckpointClaims, namedKey, readCheckpoint } from '../checkpoint.ts';
import type { CheckpointLine } from './export-line.ts';
import { createMissing } from './missing.ts';
import type { Faults } from './verification.ts';

/** Checkpoints that name one key which is not there. */
interface Unknown {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** The checkpoints of an export: who signed them, and that each follows the one before it. */
export class CheckpointTrail {
  readonly #keys: KeySet<SetAlgorithm>;
  readonly #faults: Faults;
  readonly #lost = createMissing();
  /** Not missing, whatever else they are. */
  readonly #unsigned: number[] = [];
  /** By the key that they name: a year of them is one fault. */
  readonly #ofOtherKeys = new Map<string, Unknown>();
  #last: CheckpointClaims | undefined;
  #count = 0;

  constructor(keys: KeySet<SetAlgorithm>, faults: Faults) {
    this.#keys = keys;
    this.#faults = faults;
  }

  get count(): number {
    return this.#count;
  }

  /** The newest that was taken. */
  get last(): CheckpointClaims | undefined {
    return this.#last;
  }

  /** The claims that one of the keys signed, `undefined` where none did. */
  async read({ n, jws, ...clear }: CheckpointLine): Promise<CheckpointClaims | undefined> {
    this.#count += 1;
    const claims = await readCheckpoint(jws, this.#keys);
    const kid = namedKey(jws);
    if (claims === undefined || claims.n !== n) {
      this.#noteUnsigned(n, kid);
      return undefined;
    }
    // A reader of the line who does not read the signed text must not be misled. Any of it may be left out.
    if (differs(clear, { ...claims, kid }))
      this.#faults.content.push(`checkpoint ${n} says in clear what it did not sign`);
    return claims;
  }

  #noteUnsigned(n: number, kid: string | undefined): void {
    this.#unsigned.push(n);
    if (kid === undefined || this.#keys.has(kid)) {
      this.#faults.content.push(`checkpoint ${n} is not signed by any of the keys`);
      return;
    }
    const { from, count } = this.#ofOtherKeys.get(kid) ?? { from: n, count: 0 };
    this.#ofOtherKeys.set(kid, { from, to: n, count: count + 1 });
  }

  /**
   * Takes the next one; whether it is one, and no repetition.
   * @param fromFirst the export has the log from its first event on, so that the first checkpoint must be there too
   */
  take(claims: CheckpointClaims, fromFirst: boolean): boolean {
    const { n } = claims;
    const before = this.#last;
    if (before !== undefined && n <= before.n) {
      if (n < before.n) this.#faults.order.push(`checkpoint ${n} comes after checkpoint ${before.n}`);
      // A part that was appended begins with the last one of the part before. Two under one number are two logs.
      else if (JSON.stringify(claims) !== JSON.stringify(before))
        this.#faults.content.push(`checkpoint ${n} is there twice, and they differ`);
      return false;
    }
    this.#last = claims;
    if (before !== undefined || fromFirst) this.#compare(claims, before);
    return true;
  }

  #compare({ n, previous }: CheckpointClaims, before: CheckpointClaims | undefined): void {
    const expected = (before?.n ?? 0) + 1;
    if (n > expected) this.#lost.add(expected, n - 1);
    if (n === expected && previous !== (before?.hash ?? CHAIN_START))
      this.#faults.content.push(`checkpoint ${n} does not follow the one before it`);
  }

  gaps(): string[] {
    for (const n of this.#unsigned) this.#lost.found(n);
    return this.#lost.describe('checkpoint');
  }

  otherKeys = (): string[] =>
    [...this.#ofOtherKeys].map(([kid, { from, to, count }]) =>
      count === 1
        ? `checkpoint ${from} is signed with key ${kid}, which is not among the keys`
        : `${count} checkpoints from ${from} to ${to} are signed with key ${kid}, which is not among the keys`,
    );
}

/** Whether a line has anything in clear that its signed text does not have. */
const differs = (
  clear: Readonly<Record<string, unknown>>,
  { iat, kid, through, count, hash }: CheckpointClaims & { readonly kid: string | undefined },
): boolean => {
  const { at, ...rest } = clear;
  const signed = new Map<string, unknown>(Object.entries({ kid, through, count, hash }));
  return (
    (at !== undefined && secondsOf(at) !== iat) ||
    Object.entries(rest).some(([name, value]) => value !== signed.get(name))
  );
};

const secondsOf = (at: unknown): number =>
  typeof at === 'string' ? Math.floor(Date.parse(at) / 1000) : Number.NaN;
