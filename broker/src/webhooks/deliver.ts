import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import type { WebhookProgress, WebhookRow } from '@agent-ticket/drizzle/control/webhooks.ts';
import type { AuditEventRow } from '@agent-ticket/drizzle/record/audit-log.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { ArchiveFault, type ArchiveStore } from '../audit/archive-store.ts';
import { type LogPorts, readLog } from '../audit/read-log.ts';
import type { SegmentFault } from '../audit/segment.ts';
import { auditEventView } from '../audit/view.ts';
import type { Keyring } from '../keys/keyring.ts';
import { eventContent, signedWebhook, testContent } from './message.ts';
import type { Message, Post, PostResult } from './post.ts';
import { openSecret } from './secret.ts';
import { type SetConfig, sessionRevokedSet, verificationSet } from './set.ts';

export interface WebhookPorts {
  readonly control: Pick<ControlStore, 'webhooks'>;
  readonly record: Pick<RecordStore, 'auditLog' | 'checkpoints' | 'segments'>;
  readonly archive?: ArchiveStore | undefined;
  readonly keyring: Pick<Keyring, 'sealingKeys' | 'signer'>;
  readonly config: SetConfig;
  readonly randomId: () => string;
  readonly post: Post;
  readonly clock: () => number;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** The most webhooks of a broker: each reads the log by itself. */
export const MAX_WEBHOOKS = 20;

/** The most deliveries to one webhook in one run. There is one run each minute. */
export const MAX_DELIVERIES = 300;
/** The most events that one run examines for a webhook that wants few of them. */
const MAX_EXAMINED = 10_000;
/** The time after which a run begins no delivery, so that it ends before the next run begins. In ms. */
const RUN_MS = 25_000;
/** Deliveries at the same time, each to another webhook: Workers have six connections for one run. */
const LANES = 4;
/** The time for which a run reserves a webhook; the last delivery ends well before. In ms. */
const LEASE_MS = 120_000;
/**
 * The time after which a webhook is due again, in ms: a trigger may come early or twice, and any number of instances run
 * it.
 */
const PAUSE_MS = 30_000;
/** The number of deliveries after which the cursor is stored: a run that is killed repeats no more than these. */
const STORED_EVERY = 20;

/** Pause after a number of failed tries, in ms: from one minute to ten. */
const retryDelayMs = (attempts: number): number => Math.min(10, 2 ** (attempts - 1)) * 60_000;

/**
 * Answers about the event, not about the receiver: bad request, too large, of a type or content that it does not take.
 * All others, also 401, 404 and 410, mean that the receiver can take no event now.
 */
const REFUSALS: readonly number[] = [400, 413, 415, 422];
/** The number of refusals after which an event may be left out, once the receiver takes a later one. */
export const REFUSED_TRIES = 5;
/** The most refused events in a row after which a run still tries the next one. */
const MAX_REFUSED = 10;

export const isTaken = (result: PostResult): boolean =>
  'status' in result && result.status >= 200 && result.status <= 299;
const isRefusal = (status: number | null): boolean => status !== null && REFUSALS.includes(status);

/**
 * Sends sealed events to every webhook that is due, each in the order of the log and one at a time. At least once: a run
 * that is killed, or an answer that is lost, repeats events. Any number of instances may run it at once. While a
 * receiver fails, its cursor stays. Deliveries are no events.
 */
export async function deliverEvents(ports: WebhookPorts): Promise<void> {
  const startedAt = ports.clock();
  const due = await ports.control.webhooks.due(startedAt);
  if (due.length === 0) return;
  const through = (await ports.record.checkpoints.newest())?.through ?? 0;
  const waiting = due.filter(({ seq }) => seq !== through);
  const lane = async () => {
    for (let row = waiting.shift(); row !== undefined; row = waiting.shift()) {
      if (ports.clock() >= startedAt + RUN_MS) return;
      await deliverTo(row, through, startedAt + RUN_MS, ports);
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
  const failed = lanes.find((each) => each.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** Makes the messages for one receiver. Times in ms. */
interface Sender {
  /** `undefined`: the receiver does not want the event. */
  readonly messageOf: (event: AuditEventRow, now: number) => Promise<Message | undefined>;
  readonly test: (now: number) => Promise<Message>;
}

/** The sender for a receiver, or why nothing can be signed for it now. */
export async function openSender(
  row: WebhookRow,
  { config, keyring, randomId, clock }: WebhookPorts,
): Promise<Outcome<Sender>> {
  const secret = await openSecret(await keyring.sealingKeys(), row);
  if (secret === undefined) return err('webhook_secret_unreadable');
  const { audience } = row;
  if (audience === null) {
    return ok({
      messageOf: async (event, now) =>
        row.types === null || row.types.includes(event.type)
          ? signedWebhook(eventContent(auditEventView(event)), secret, now)
          : undefined,
      test: (now) => signedWebhook(testContent(row.id, randomId(), now), secret, now),
    });
  }
  const signer = await keyring.signer(clock());
  if (!signer.ok) return signer;
  const ofKey = { audience, key: signer.value.material, config };
  const authorized = (message: Message): Message =>
    secret === '' ? message : { ...message, headers: { ...message.headers, authorization: secret } };
  return ok({
    async messageOf(event) {
      const message = await sessionRevokedSet(event, ofKey);
      return message && authorized(message);
    },
    test: async (now) => authorized(await verificationSet(row.id, randomId(), now, ofKey)),
  });
}

/** One run of deliveries to one webhook, of events up to `through`, none begun after `end`. */
async function deliverTo(row: WebhookRow, through: number, end: number, ports: WebhookPorts): Promise<void> {
  const { clock, log } = ports;
  const { webhooks } = ports.control;
  const startedAt = clock();
  const until = startedAt + LEASE_MS;
  if (!(await webhooks.take(row, until))) return;
  const { seq, attempts, triedAt, status, fault, failingSince, skipped } = row;
  const progress: { -readonly [Name in keyof WebhookProgress]: WebhookProgress[Name] } = {
    // The numbers of a restored database continue after the numbers of its backup.
    ...{ seq: Math.min(seq, through), attempts, triedAt, status, fault, failingSince, skipped },
    dueAt: until,
  };
  const store = () => webhooks.note(row.id, until, progress);
  const fail = async () => {
    progress.attempts += 1;
    progress.failingSince ??= startedAt;
    progress.dueAt = clock() + retryDelayMs(progress.attempts);
    const failed = { status: progress.status, fault: progress.fault, attempts: progress.attempts };
    log({ event: 'webhook_failed', webhook: row.id, ...failed });
    await store();
  };

  const sender = await openSender(row, ports);
  if (!sender.ok) {
    Object.assign(progress, { triedAt: startedAt, status: null, fault: sender.denial.reason });
    return fail();
  }
  /** Numbers of events that were refused since the cursor, in this run. */
  let refused: number[] = [];
  let [sent, examined] = [0, 0];
  for await (const event of eventsAfter(progress.seq, through, ports, (missing) => {
    progress.skipped += missing;
    log({ event: 'webhook_events_missing', webhook: row.id, events: missing });
  })) {
    const now = clock();
    if (sent >= MAX_DELIVERIES || examined >= MAX_EXAMINED || now >= end) break;
    if (typeof event === 'string') {
      // Events that an operator may bring back are not left out.
      Object.assign(progress, { triedAt: now, status: null, fault: `archive_${event}` });
      return fail();
    }
    examined += 1;
    const message = await sender.value.messageOf(event, now);
    if (message === undefined) {
      if (refused.length === 0) progress.seq = event.seq;
      continue;
    }
    const result = await ports.post(row.url, message);
    sent += 1;
    const resultStatus = 'status' in result ? result.status : null;
    // Refusals have a count of their own: an outage before them is no sign of a fault in the event.
    if (isRefusal(resultStatus) !== isRefusal(progress.status)) progress.attempts = 0;
    progress.triedAt = now;
    progress.status = resultStatus;
    progress.fault = 'fault' in result ? result.fault : null;
    if (isTaken(result)) {
      if (refused.length > 0) log({ event: 'webhook_events_skipped', webhook: row.id, seqs: refused });
      progress.skipped += refused.length;
      refused = [];
      Object.assign(progress, { seq: event.seq, attempts: 0, failingSince: null });
      // An operator may have deleted the webhook, or moved its cursor.
      if (sent % STORED_EVERY === 0 && !(await store())) return;
      continue;
    }
    // A later event shows whether the receiver refuses this one, or every one.
    const mayBeLeftOut = progress.attempts + 1 >= REFUSED_TRIES && refused.length < MAX_REFUSED;
    if (!isRefusal(resultStatus) || !mayBeLeftOut) return fail();
    refused.push(event.seq);
  }
  if (refused.length > 0) return fail();
  progress.dueAt = startedAt + PAUSE_MS;
  await store();
}

/**
 * Sealed events after a number, in the order of the log, or why those that follow cannot be read from the archive. `onGap`
 * gets how many are missing before one: a number is never left out, so retention deleted them, or none can read them.
 */
async function* eventsAfter(
  after: number,
  through: number,
  ports: LogPorts & Pick<WebhookPorts, 'log'>,
  onGap: (missing: number) => void,
): AsyncGenerator<AuditEventRow | SegmentFault | 'unavailable', undefined> {
  let last = after;
  try {
    for await (const page of readLog(ports, after)) {
      if ('fault' in page) {
        yield page.fault;
        return;
      }
      for (const { seq, row } of page) {
        if (seq > through) return;
        const event = row();
        // One that this version cannot read is missing for a receiver, and counts with the next event.
        if (event === undefined) continue;
        if (seq > last + 1) onGap(seq - last - 1);
        last = seq;
        yield event;
      }
    }
  } catch (error) {
    // Others need the database alone.
    if (!(error instanceof ArchiveFault)) throw error;
    ports.log({ event: 'webhook_archive_unavailable', error: describeError(error) });
    yield 'unavailable';
  }
}
