import { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { objectLockQueries } from '@agent-ticket/drizzle/object/locks.ts';
import { objectSessionQueries } from '@agent-ticket/drizzle/object/sessions.ts';
import { tombstoneQueries } from '@agent-ticket/drizzle/object/tombstone.ts';
import type { ControlOrder, RollAnswer, RollCall } from '../order.ts';
import { closingReason, isMeant, ownLock } from './control.ts';
import type { Endings } from './endings.ts';
import { claimsOf } from './session.ts';

export interface OrderPorts {
  readonly sql: SqlStorage;
  readonly endings: Pick<Endings, 'refuse' | 'endLost'>;
  /** Facts wait for the record database. */
  readonly onFacts: () => void;
}

export interface Orders {
  /** Whether everything from before a time, in ms, is gone. */
  isDestroyedSince(before: number): boolean;
  /** Carries out a broker's order; how many sockets it closed. */
  order(order: ControlOrder): number;
  /**
   * Which of these sessions are here, after a look at what each hangs by. While facts still wait for the record
   * database all of them are, since those facts may be about them.
   */
  callRoll(roll: RollCall): RollAnswer;
}

/** What one object does at the broker's word, which the worker has verified. Synchronous, as all of its keeper is. */
export function createOrders({ sql, endings, onFacts }: OrderPorts): Orders {
  const sessions = objectSessionQueries(sql);
  const locks = objectLockQueries(sql);
  const backlog = backlogQueries(sql);
  const tombstone = tombstoneQueries(sql);
  return {
    isDestroyedSince: (before) => (tombstone.destroyedAt() ?? Number.NEGATIVE_INFINITY) >= before,

    order(order) {
      const own = ownLock(order.cmd);
      if (order.cmd.op === 'lock' && own !== undefined) locks.set(own, order.cmd.until);
      if (order.cmd.op === 'unlock' && own !== undefined) locks.remove(own);
      const why = closingReason[order.cmd.op];
      if (why === undefined) return 0;
      const meant = sessions
        .listOpen()
        .filter((session) => isMeant(order, { ...session, claims: claimsOf(session) }));
      return meant.reduce((sum, { id }) => sum + endings.refuse(id, why), 0);
    },

    callRoll({ sessions: ids }) {
      endings.endLost();
      if (backlog.count() > 0) {
        onFacts();
        return { open: [...ids], ended: [] };
      }
      const known = ids.map(sessions.find).filter((session) => session !== undefined);
      return {
        open: known.filter(({ endedAt }) => endedAt === null).map(({ id }) => id),
        ended: known.flatMap(({ id, endedAt: at, endReason: reason }) =>
          at === null || reason === null ? [] : [{ id, at, reason }],
        ),
      };
    },
  };
}
