import { STATEMENT_DEADLINE_MS, within } from '@agent-ticket/drizzle/deadline.ts';
import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { type CheckRevoked, createRevocationFeed } from './gate/revocation-feed.ts';
import { isNamespace, sendCommand } from './handover.ts';
import type { Arrivals } from './recorder/arrivals.ts';
import { type RecorderObject, recorderAt } from './recorder.ts';

/** The parts of a Worker's env by which revocations are read. */
export interface RevocationEnv {
  /** The record database. */
  readonly RECORD: D1Database;
  /** The recorders. */
  readonly RECORDER: DurableObjectNamespace<RecorderObject>;
}

/** One per isolate, shared by the gate and the objects beside it, which may have an env object of their own. */
const feeds = new WeakMap<RevocationEnv['RECORDER'], CheckRevoked>();

/** Whether a ticket is revoked, as far as this isolate knows or can find out in time. */
export function checkRevokedOf(env: object & RevocationEnv): CheckRevoked {
  if (!isNamespace(env.RECORDER)) throw new Error('no binding RECORDER');
  const known = feeds.get(env.RECORDER);
  if (known !== undefined) return known;
  const log = (line: Readonly<Record<string, unknown>>) => console.error(JSON.stringify(line));
  const clock = () => Date.now();
  const { revocations } = openRecord(env.RECORD, STATEMENT_DEADLINE_MS);
  const orUnread = (error: unknown): undefined => {
    if (!isOutage(error)) throw error;
  };
  const recorder = Math.random();
  const feed = createRevocationFeed({
    async readArrivals(after) {
      const answer = recorderAt(env.RECORDER, recorder).revocationsAfter(after);
      return (
        (await within<Arrivals>(STATEMENT_DEADLINE_MS, answer).catch(orUnread)) ?? { kind: 'unavailable' }
      );
    },
    findByTargets: async (names) => revocations.ofTargets(names, clock()).catch(orUnread),
    end: (agent, instance, revocation) => sendCommand(env, agent, instance, { op: 'revoke', revocation }),
    clock,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    log,
  });
  feeds.set(env.RECORDER, feed);
  return feed;
}
