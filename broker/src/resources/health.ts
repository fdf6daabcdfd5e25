import { STATEMENT_DEADLINE_MS, within } from '@agent-ticket/drizzle/deadline.ts';
import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { LATE_DELIVERY_SECONDS } from '@agent-ticket/shared/limits.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { agentsOf, registryDigest, rolloutOf } from '@agent-ticket/shared/registry.ts';
import { archiveOverdue } from '../audit/archive.ts';
import { compareSeal } from '../audit/seal.ts';
import { commandedWorkers } from '../config/workers.ts';
import { renderErrorWith } from '../http/answer.ts';
import type { Handler, HandlerResult } from '../runtime/call.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

/** `GET /healthz`: the process answers. Asks nothing of anybody, so that a restart is never the cure for a database. */
export const liveness: Handler = async () => ok({ status: 200, body: { status: 'ok' } });

/**
 * `GET /readyz`: whether the broker can mint a ticket, hand out its keys and write its record. 200 as long as it can mint.
 * A refusal has the same members: what waits for the record database grows then.
 */
export const readiness: Handler = ({ ports, now }) => answerNow(ports, now);

type Measure<T> = (ports: BrokerPorts, now: number) => Promise<T>;

/**
 * One measurement serves every request for so long, after the first of this isolate: anybody may ask, and each
 * measurement asks databases and mint shards.
 */
export function cached<T>(everyMs: number, measure: Measure<T>): Measure<T> {
  // By the keyring, of which a broker has one: each request has ports of its own.
  const held = new WeakMap<BrokerPorts['keyring'], { at: number; readonly value: T }>();
  return async (ports, now) => {
    const { keyring } = ports;
    const last = held.get(keyring);
    if (last !== undefined && now >= last.at && now - last.at < everyMs) return last.value;
    // Requests that come during a measurement get the value before it: no crowd asks a database that is slow.
    if (last !== undefined) last.at = now;
    try {
      const value = await measure(ports, now);
      held.set(keyring, { at: now, value });
      return value;
    } catch (error) {
      // The value before the failure is no answer to the next request.
      held.delete(keyring);
      throw error;
    }
  };
}

const ANSWER_MS = 1_000;
const BACKLOG_MS = 5_000;

/**
 * Not limited by address: those who probe share addresses, and a broker that answers one of them 429 would be taken for
 * one that is not ready.
 */
const answerNow = cached(ANSWER_MS, async (ports, now): Promise<HandlerResult> => {
  const [signer, policy, counted, keys, record, waiting, work, workers, seal] = await Promise.all([
    attempt(ports.keyring.signer(now)),
    attempt(ports.ping.control()),
    attempt(ports.shard.count(PROBE.key, PROBE)),
    attempt(ports.keyring.published(now)),
    attempt(ports.ping.record()),
    attempt(waitingEvents(ports, now)),
    attempt(waitingWork(ports, now)),
    attempt(agreement(ports, now)),
    attempt(sealed(ports, now)),
  ]);
  const events = known(waiting);
  const isLate = (events?.waiting_age ?? 0) > LATE_DELIVERY_SECONDS;
  const hasSigner = known(signer)?.ok === true;
  const mint = hasSigner && policy.ok && counted.ok;
  const state = {
    mint,
    verify: (known(keys)?.length ?? 0) > 0,
    record: record.ok && (ports.shard.waiting === undefined ? counted.ok : !isLate),
    ...events,
    ...known(work),
    ...known(workers),
    ...known(seal),
    agents_in_rollout: ports.registry.filter((entry) => rolloutOf(entry, now) !== undefined).length,
    key_sets_unusable: unusableKeySets(ports),
  };
  if (mint) return { outcome: ok({ status: 200, body: { status: 'ready', ...state } }) };
  // A text of ours without data: an operator must see here what to mend.
  const refused =
    signer.ok && !signer.value.ok
      ? err('signing_key_missing', { hint: signer.value.denial.detail ?? 'no key' })
      : err('database_unavailable', { retryAfter: 5 });
  return {
    outcome: refused,
    renderError: (denial, requestId, rate) => renderErrorWith(state, denial, requestId, rate),
  };
});

/** A count that limits nobody: it is written where, and as, a request for a ticket is counted. */
const PROBE = { key: 'readyz', limit: Number.MAX_SAFE_INTEGER };

/** The value, or the refusal while a database is away. Anything else that is thrown is a bug, here too. */
export async function attempt<T>(work: Promise<T>): Promise<Outcome<T>> {
  try {
    return ok(await within(STATEMENT_DEADLINE_MS, work));
  } catch (error) {
    if (isOutage(error)) return err('database_unavailable');
    throw error;
  }
}

/** Registered issuers that publish no key which can serve here. Known from the last fetch: nothing is fetched for it. */
const unusableKeySets = ({ credentials: { access, auth0, oidc } }: BrokerPorts): string[] =>
  [...access.issuers, ...auth0.issuers, ...oidc.issuers]
    .filter(({ keys }) => keys.isUnusable())
    .map(({ issuer }) => issuer.namespace);

export const known = <T>(outcome: Outcome<T>): T | undefined => (outcome.ok ? outcome.value : undefined);

/** Events on their way to the record database. Asks no database. */
export const waitingEvents = cached(BACKLOG_MS, async ({ shard }, now) => {
  const waiting = await shard.waiting?.();
  return {
    events_waiting: waiting?.events ?? 0,
    // Where no mint shard receives their reports, agents' objects write to their log alone.
    agent_events_waiting: waiting?.agents.events ?? null,
    agent_objects_waiting: waiting?.agents.objects ?? null,
    waiting_age: ageOf(waiting?.since, now),
  };
});

/**
 * Changes that wait for delivery, the age of the last checkpoint, and for how long events have waited to move to the
 * archive; growing numbers name the part that does not run.
 */
export const waitingWork = cached(BACKLOG_MS, async (ports, now) => {
  const [changes, checkpoint, overdueMs] = await Promise.all([
    ports.control.outbox.count(),
    ports.record.checkpoints.newest(),
    archiveOverdue(ports, now),
  ]);
  return {
    changes_waiting: changes,
    checkpoint_age: ageOf(checkpoint?.at, now),
    archive_overdue: overdueMs === undefined ? null : Math.floor(overdueMs / 1000),
  };
});

/** Whether the two databases agree on the audit log and the keys. Where they do not, one of them was restored. */
const sealed = cached(BACKLOG_MS, async (ports, now) => {
  const { keyring, control } = ports;
  // Not through the keyrings, which would make a first key.
  const rowsOf = async (purpose: 'ticket' | 'audit') => control.keys.list(purpose);
  const [{ noted, fault }, revoked, ...rows] = await Promise.all([
    compareSeal(ports, now),
    keyring.revokedInRecord(now),
    rowsOf('ticket'),
    rowsOf('audit'),
  ]);
  return {
    audit_seal: noted === undefined ? null : (fault ?? 'agrees'),
    keys_revoked_in_record: rows
      .flat()
      .filter(({ kid, revokedAt }) => revokedAt === null && revoked.includes(kid)).length,
  };
});

/** The schedule asks each minute: an agent worker that missed two of them does not answer. */
const ANSWER_KEPT_MS = 150_000;

/**
 * How many agent workers serve other agents than the registry here says, and how many have not answered of late. Their
 * names are for operators, in the log: everybody may ask this. Reads what the schedule noted, and asks no worker.
 */
const agreement = cached(BACKLOG_MS, async ({ control, registry, config }, now) => {
  const rows = await control.agentWorkers.list();
  const states = await Promise.all(
    commandedWorkers(config).map(async ({ name, audience }) => {
      const row = rows.find((each) => each.audience === audience);
      if (row === undefined || now - row.answeredAt > ANSWER_KEPT_MS) return 'unanswered';
      return row.digest === (await registryDigest(agentsOf(registry, name))) ? 'same' : 'differing';
    }),
  );
  const count = (wanted: string) => states.filter((state) => state === wanted).length;
  return { workers_differing: count('differing'), workers_unanswered: count('unanswered') };
});

/** In seconds; clocks may differ. */
export const ageOf = (at: number | undefined, now: number): number | null =>
  at === undefined ? null : Math.max(0, Math.floor((now - at) / 1000));
