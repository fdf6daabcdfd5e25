import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import {
  REVOCATION_FRESH_MS,
  type Revocable,
  type Revocation,
  strongestHit,
} from '@agent-ticket/shared/revocation.ts';
import { targetNamesOf } from '@agent-ticket/shared/target.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { type Arrivals, MOST_HELD } from '../recorder/arrivals.ts';
import { createHeldRevocations } from './held-revocations.ts';

/** How old what was read may be to decide: a revocation takes effect within a second. */
const FRESH_MS = 1_000;
/** The longest that a request waits for a read, where what it does cannot be ended later. */
const WAIT_MS = 300;
/** Polling step of a request that waits for another's read: shorter than a read, longer than an event loop turn. */
const WAIT_STEP_MS = 10;
/** A read whose request died with it must not block the others for ever. */
const LAPSE_MS = 2_000;
/** Between a read that failed and the next. */
const PAUSE_MS = 250;
/** Tickets asked about in one read by target: their names are one bound value of some hundred kB, and D1 takes 2 MB. */
const ASKED_AT_ONCE = 1_000;
/** How long one request reads on for the others: the runtime keeps it alive for 30 s at most. */
const READ_ON_MS = 20_000;
/** Reads in a row that check nobody, since the recorder answers from its memory, and what is between two. */
const VAIN_READS = 10;
const BETWEEN_READS_MS = 50;

interface FeedPorts {
  /** What arrived after a number. Rejects only for a bug. */
  readonly readArrivals: (after: number) => Promise<Arrivals>;
  /** The revocations of some targets; `undefined` in an outage. */
  readonly findByTargets: (names: readonly string[]) => Promise<readonly Revocation[] | undefined>;
  /** Ends the sessions of an object that a revocation hits. */
  readonly end: (agent: string, instance: string, revocation: Revocation) => Promise<unknown>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

interface CheckOptions {
  /** Waits up to 300 ms for a read where there is no fresh one: for what cannot be ended later. */
  readonly waits: boolean;
  /** Keeps the request's context alive for a read beside it. */
  readonly keepAlive: (work: Promise<unknown>) => void;
}

/**
 * What the feed was when it let a ticket pass: `fresh` was read within a second, `late` is being read, and `away` could
 * not be read. A read that comes later ends what the ticket opened.
 */
export const FEEDS = ['fresh', 'late', 'away'] as const;
export type Feed = (typeof FEEDS)[number];

/** A ticket that no known revocation hits. */
export interface Unrevoked {
  readonly feed: Feed;
  /**
   * The object has answered: from now on it can be told to end what the ticket opened there. A denial where a read has
   * arrived meanwhile and a revocation hits; what it hits has ended by then.
   */
  readonly noteInside: () => Promise<Outcome<undefined>>;
}

/** A ticket that was let through before its revocations were read. */
interface Unchecked {
  readonly agent: string;
  readonly instance: string;
  readonly ticket: Revocable;
  readonly at: number;
  /** A read decides if it is of this moment or later. */
  readonly readFrom: number;
  isInside: boolean;
  isChecked: boolean;
  hit?: Revocation | undefined;
}

/**
 * What one isolate knows of revocations, for its gate and the objects beside it. Reads are shared, one at a time, but no
 * request awaits a promise of another, which the Workers runtime forbids: it awaits its own read, or polls.
 */
export function createRevocationFeed(ports: FeedPorts) {
  const { clock, sleep, log } = ports;
  const held = createHeldRevocations();
  const unchecked = new Set<Unchecked>();
  /** How many tickets reads have checked. */
  let checked = 0;
  let through = 0;
  /** When the record database was read for what is held. */
  let readAt = Number.NEGATIVE_INFINITY;
  let askByTargetUntil = Number.NEGATIVE_INFINITY;
  let failedAt = Number.NEGATIVE_INFINITY;
  /** Whether the last read failed. */
  let isFailing = false;
  /** The read on its way. */
  let running: { since: number } | undefined;

  /** Nothing counts that lies ahead: then the clock was set back. */
  const isSince = (at: number, ms: number): boolean => at <= clock() && clock() - at <= ms;
  const isFresh = (): boolean => clock() >= askByTargetUntil && isSince(readAt, FRESH_MS);
  const isRunning = (): boolean => running !== undefined && isSince(running.since, LAPSE_MS);

  /** Starts a read, unless one is on its way or has just failed. */
  function start(): Promise<void> | undefined {
    if (isRunning() || isSince(failedAt, PAUSE_MS)) return undefined;
    const mine = { since: clock() };
    running = mine;
    return read(mine);
  }

  async function read(mine: { since: number }): Promise<void> {
    const ends: Promise<void>[] = [];
    const { since: startedAt } = mine;
    let isRead = false;
    try {
      for (let vain = 0; vain < VAIN_READS && isSince(startedAt, READ_ON_MS); ) {
        mine.since = clock();
        dropOld(mine.since);
        const checkedBefore = checked;
        isRead = await readOnce(mine.since, ends);
        if (!isRead || unchecked.size === 0 || running !== mine) break;
        if (checked > checkedBefore) continue;
        vain += 1;
        await sleep(BETWEEN_READS_MS);
      }
    } finally {
      // One line for an outage, not four in each second of it.
      if (!isRead && !isFailing) log({ event: 'revocations_unread' });
      isFailing = !isRead;
      if (isFailing) failedAt = clock();
      if (running === mine) running = undefined;
    }
    await Promise.all(ends);
  }

  function dropOld(now: number): void {
    held.drop(now);
    for (const each of unchecked) if (!isSince(each.at, REVOCATION_FRESH_MS)) unchecked.delete(each);
  }

  /** One trip. Whether it was answered. */
  async function readOnce(now: number, ends: Promise<void>[]): Promise<boolean> {
    if (now < askByTargetUntil) {
      const asked = [...unchecked].slice(0, ASKED_AT_ONCE);
      const names = new Set(asked.flatMap(({ ticket }) => ticket.names));
      const found = await ports.findByTargets([...names]);
      for (const each of found === undefined ? [] : asked)
        conclude(each, strongestHit(each.ticket, found ?? [], clock()), ends);
      return found !== undefined;
    }
    const arrivals = await ports.readArrivals(through);
    if (arrivals.kind === 'unavailable') return false;
    if (arrivals.kind === 'too_many') {
      // A later read begins anew.
      askByTargetUntil = clock() + arrivals.forMs;
      through = 0;
      readAt = Number.NEGATIVE_INFINITY;
      return true;
    }
    for (const revocation of arrivals.revocations) held.add(revocation, clock());
    through = Math.max(through, arrivals.through);
    readAt = now - arrivals.ageMs;
    for (const each of unchecked)
      if (readAt >= each.readFrom) conclude(each, held.hit(each.ticket, clock()), ends);
    return true;
  }

  function conclude(each: Unchecked, hit: Revocation | undefined, ends: Promise<void>[]): void {
    unchecked.delete(each);
    each.isChecked = true;
    checked += 1;
    each.hit = hit;
    if (each.isInside) ends.push(endIfHit(each));
  }

  /** Ends what a ticket opened. The delivery of the session to the record database ends it too, if this fails. */
  async function endIfHit({ agent, instance, hit }: Unchecked): Promise<void> {
    if (hit === undefined) return;
    try {
      await ports.end(agent, instance, hit);
    } catch (error) {
      log({ event: 'revocation_not_sent', error: describeError(error) });
    }
  }

  /** {@link start}, kept alive beside its request. */
  function startBeside(keepAlive: CheckOptions['keepAlive']): Promise<void> | undefined {
    const reading = start();
    if (reading !== undefined)
      keepAlive(reading.catch((error: unknown) => log({ event: 'bug', error: describeError(error) })));
    return reading;
  }

  /** Until a read has checked the ticket or the time is over. One that fails, or ends before, is followed by another. */
  async function wait(
    each: Unchecked,
    first: Promise<void> | undefined,
    keepAlive: CheckOptions['keepAlive'],
  ): Promise<void> {
    let own = first;
    let step: Promise<void> | undefined;
    let waited = 0;
    while (!each.isChecked && waited < WAIT_MS) {
      if (own === undefined && !isRunning()) own = startBeside(keepAlive);
      step ??= sleep(WAIT_STEP_MS).then(() => {
        step = undefined;
        waited += WAIT_STEP_MS;
      });
      const ended = own?.then(() => {
        own = undefined;
      });
      await (ended === undefined ? step : Promise.race([ended, step]));
    }
  }

  /**
   * Whether a verified ticket is revoked. What was read within a second decides at once. Otherwise a read is started
   * beside the request, and when it arrives it ends what was opened meanwhile; a feed that is away keeps nobody out.
   */
  return async function check(
    { claims, kid }: VerifiedTicket,
    { waits, keepAlive }: CheckOptions,
  ): Promise<Outcome<Unrevoked>> {
    const now = clock();
    const ticket = { names: targetNamesOf({ claims, kid }), rev: claims.rev };
    const known = held.hit(ticket, now);
    if (isFresh()) {
      if (known === undefined) return ok({ feed: 'fresh', noteInside: async () => ok(undefined) });
      // The decision of a ticket with this number took the revocation into account: it may have been lifted since.
      if (known.rev > ticket.rev) return err(known.code);
    }
    const { agent, instance } = claims;
    const mayBeLifted = known !== undefined && known.rev <= ticket.rev;
    const readFrom = mayBeLifted ? now : now - FRESH_MS;
    const each: Unchecked = { agent, instance, ticket, at: now, readFrom, isInside: false, isChecked: false };
    unchecked.add(each);
    for (const oldest of unchecked) {
      if (unchecked.size <= MOST_HELD) break;
      unchecked.delete(oldest);
    }
    const reading = startBeside(keepAlive);
    if (waits || known !== undefined) await wait(each, reading, keepAlive);

    const hit = each.isChecked ? each.hit : known;
    if (hit !== undefined) {
      unchecked.delete(each);
      return err(hit.code);
    }
    const isSlow = running !== undefined && !isSince(running.since, WAIT_MS);
    const unread = waits || isFailing || isSlow ? 'away' : 'late';
    return ok({
      feed: each.isChecked ? 'fresh' : unread,
      async noteInside() {
        each.isInside = true;
        await endIfHit(each);
        return each.hit === undefined ? ok(undefined) : err(each.hit.code);
      },
    });
  };
}
export type CheckRevoked = ReturnType<typeof createRevocationFeed>;
