import { BATCH_DEADLINE_MS, within } from '@agent-ticket/drizzle/deadline.ts';
import { readFacts, type SetAside, setAside, waitingSince } from '@agent-ticket/drizzle/object/drain.ts';
import type { RecordFact } from '@agent-ticket/drizzle/record/deliver.ts';
import type { BacklogReport } from '@agent-ticket/shared/backlog-report.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import type { Recorded } from '../recorder/batches.ts';
import { type RecorderObject, recorderOf } from '../recorder.ts';
import type { Audit } from './audit.ts';
import type { Sessions } from './sessions.ts';
import { HANDOVER_DUE_MS } from './sweep.ts';

interface RecordPorts {
  /** Without a binding of the broker nothing is reported to it. */
  readonly env: object & {
    readonly RECORD: D1Database;
    readonly RECORDER: DurableObjectNamespace<RecorderObject>;
    readonly BACKLOG?: Fetcher | undefined;
  };
  /** Id of the object. */
  readonly object: string;
  readonly sessions: Pick<Sessions, 'backlog' | 'hasBacklog' | 'countPending' | 'acknowledge' | 'terminate'>;
  readonly audit: Pick<Audit, 'pendingSessions' | 'takeCalls' | 'keepCalls'>;
  readonly clock: () => number;
  /** At least 0 and less than 1. */
  readonly random: () => number;
  /** Does something once, in so many ms; the answer cancels it. */
  readonly later: (ms: number, work: () => void) => () => void;
  readonly keepAlive: (work: Promise<void>) => void;
  /** Has the sweep run at a moment, in ms, although this life of the object may have ended by then. */
  readonly wakeBy: (due: number) => Promise<unknown>;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** Sessions and other facts of one hand-over. */
const HANDED_SESSIONS = 100;
const HANDED_ITEMS = 100;

interface Handed {
  readonly fact: RecordFact;
  /** Of an item of the backlog; otherwise the row of a session is the fact. */
  readonly id?: number;
}
/** How long a recorder may take: its own wait, and the deadline of its batch. Longer than that it is lost. */
const HANDOVER_DEADLINE_MS = BATCH_DEADLINE_MS + 2_000;
/**
 * Between two tries while the recorder or its database fails: doubled each time, and up to half of it less. The broker
 * forgets within a minute that facts wait here, and is told at each try.
 */
const RETRY_MS = { first: 1_000, most: 50_000 } as const;

/** The least time between two hand-overs of a busy object, in ms, so that each hand-over has more sessions. */
const PACE_MS = 250;

/** One object and the record database: the hand-over of its facts to a recorder. */
export function createObjectRecord(ports: RecordPorts) {
  const { env, sessions, clock, keepAlive, log } = ports;
  const { backlog } = sessions;
  const report = createBacklogReport(ports);
  const aside = { backlog, onSetAside: (fact: SetAside) => log({ event: 'fact_set_aside', ...fact }) };
  let planned: { readonly due: number; readonly cancel: () => void } | undefined;
  let isRunning = false;
  /** Whether more is to be handed over once the hand-over on its way is done. */
  let mayBeMore = false;
  let failures = 0;
  /** No try before this moment, in ms; the sweep comes after it. */
  let retryAt = 0;
  /** When the last hand-over began. */
  let handedAt = Number.NEGATIVE_INFINITY;

  /**
   * Plans a hand-over, at once or within {@link PACE_MS}. Answers whether this life of the object does so; otherwise
   * the alarm does.
   */
  function deliverWithin(ms: number): boolean {
    const now = clock();
    // A clock that was set back must not stop the hand-overs.
    const sinceLast = Math.max(0, now - handedAt);
    const wait = ms === 0 ? 0 : Math.max(ms, PACE_MS - sinceLast);
    const due = now + wait;
    // While it fails the alarm brings the next try: a timer would keep the object awake, and be billed, for a minute.
    if (now < retryAt) return false;
    if (planned !== undefined && planned.due <= due) return true;
    planned?.cancel();
    const cancel = ports.later(wait, () => {
      planned = undefined;
      if (isRunning) mayBeMore = true;
      else keepAlive(run());
    });
    planned = { due, cancel };
    return true;
  }

  async function run(): Promise<void> {
    isRunning = true;
    try {
      do {
        mayBeMore = false;
        await handOver();
      } while (mayBeMore);
      failures = 0;
      report.delivered();
    } catch (error) {
      // A database out of reach fails no request.
      log({ event: 'record_delivery_failed', waiting: report.waiting().count, error: describeError(error) });
      report.failed();
      const most = Math.min(RETRY_MS.first * 2 ** failures, RETRY_MS.most);
      const wait = Math.ceil(most * (1 - ports.random() / 2));
      failures += 1;
      retryAt = clock() + wait;
      ports.audit.keepCalls(ports.audit.takeCalls());
      await ports.wakeBy(retryAt);
    } finally {
      isRunning = false;
    }
  }

  async function handOver(): Promise<void> {
    handedAt = clock();
    const { openings, ends, rows } = ports.audit.pendingSessions(HANDED_SESSIONS);
    const waiting = backlog.oldest(HANDED_ITEMS);
    if (rows.length === HANDED_SESSIONS || waiting.length === HANDED_ITEMS) mayBeMore = true;
    const items = readFacts(aside, waiting);
    const calls = ports.audit.takeCalls();
    const handed: Handed[] = [
      ...openings.map((fact) => ({ fact })),
      ...items.map(({ id, fact }) => ({ id, fact })),
      ...ends.map((fact) => ({ fact })),
      ...calls.map((invocation) => ({ fact: { invocation } })),
    ];
    if (handed.length === 0) return;
    const recorded = await deliver(handed.map(({ fact }) => fact)).catch((error: unknown) => {
      ports.audit.keepCalls(calls);
      throw error;
    });
    for (const position of recorded.refused) {
      const refused = handed[position];
      if (refused?.id !== undefined) setAside(aside, refused.id, 'refused');
      else if (refused !== undefined)
        aside.onSetAside({ ...backlog.keepAside(JSON.stringify(refused.fact)), why: 'refused' });
    }
    sessions.acknowledge(rows);
    const last = items.at(-1);
    if (last !== undefined) backlog.removeThrough(last.id);
    for (const { id, why } of recorded.revoked) sessions.terminate(id, why);
  }

  async function deliver(facts: readonly RecordFact[]): Promise<Recorded & { readonly failed?: undefined }> {
    const recorder = recorderOf(env.RECORDER, ports.object);
    const recorded = await within<Recorded>(HANDOVER_DEADLINE_MS, recorder.deliver(facts));
    if (recorded.failed !== undefined) throw new NotRecorded(recorded.failed);
    return recorded;
  }

  return {
    /** Hands over the facts that wait, within so many ms. No caller needs to wait for it. */
    deliverWithin,

    /** When the facts that wait are to be offered again at the latest, in ms; `undefined` where none does. */
    nextHandover: (): number | undefined =>
      sessions.hasBacklog() ? Math.max(retryAt, clock() + HANDOVER_DUE_MS) : undefined,

    /** Starts to deliver the facts that an earlier life of the object left, for which no event may come. */
    resume(): void {
      if (!sessions.hasBacklog()) return;
      report.resumed();
      deliverWithin(0);
    },
  };
}

/** The recorder could not write, for the reason that it describes. */
class NotRecorded extends Error {
  override readonly name = 'NotRecorded';
}

/** A busy object fails often while the database is away; the broker gets no more than one report in this time. */
const REPORT_PACE_MS = 4_000;
const REPORT_TIMEOUT_MS = 2_000;

/**
 * Reports to the broker what this object cannot deliver: repeatedly while it fails, and once more when it is over. No
 * request waits for it, and a broker out of reach is a line in the log.
 */
function createBacklogReport({ env, object, sessions, clock, keepAlive, log }: RecordPorts) {
  const { backlog, countPending } = sessions;
  const { BACKLOG: broker } = env;
  let reportedAt = Number.NEGATIVE_INFINITY;
  /** Whether the broker may still have a report that facts wait here. */
  let isReported = false;
  /** One after the other, so that the last report is the last to arrive. */
  let sending = Promise.resolve();

  async function send(to: Fetcher, report: BacklogReport): Promise<void> {
    try {
      const answer = await to.fetch('https://broker.invalid/', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(report),
        signal: AbortSignal.timeout(REPORT_TIMEOUT_MS),
      });
      if (!answer.ok) throw new Error(`the broker answered ${answer.status}`);
    } catch (error) {
      log({ event: 'backlog_report_failed', error: describeError(error) });
    }
  }

  function report(waiting: number, since: number): void {
    if (broker === undefined) return;
    sending = sending.then(() => send(broker, { object, waiting, since }));
    keepAlive(sending);
  }

  function waiting(): { readonly count: number; readonly since: number } {
    const pending = countPending();
    const since = Math.min(pending.since ?? clock(), waitingSince(backlog) ?? clock());
    return { count: pending.count + backlog.count(), since };
  }

  return {
    waiting,

    /** An earlier life left facts, and may have reported them. */
    resumed(): void {
      isReported = true;
    },

    failed(): void {
      const now = clock();
      if (now - reportedAt < REPORT_PACE_MS) return;
      reportedAt = now;
      isReported = true;
      const { count, since } = waiting();
      report(count, since);
    },

    /** Nothing waits any more. */
    delivered(): void {
      if (!isReported) return;
      isReported = false;
      reportedAt = Number.NEGATIVE_INFINITY;
      report(0, clock());
    },
  };
}
