import { objectRevocationStore } from '@agent-ticket/drizzle/object/revocations.ts';
import { isHit, type Revocation } from '@agent-ticket/shared/revocation.ts';
import { readTargetName, type Target, targetNamesOf } from '@agent-ticket/shared/target.ts';
import type { CommandAnswer, ObjectCommand, SessionAnswer, SessionQuestion } from '../handover.ts';
import { claimsOf } from './claims.ts';
import type { Destruction } from './destruction.ts';
import type { Sessions } from './sessions.ts';

interface CommandPorts {
  readonly sql: SqlStorage;
  readonly sessions: Pick<Sessions, 'find' | 'listOpen' | 'terminate' | 'endLost' | 'hasBacklog'>;
  readonly destruction: Pick<Destruction, 'isDoneFor' | 'startFor'>;
  readonly clock: () => number;
  /** Facts wait for the record database. */
  readonly onFacts: () => void;
}

/**
 * Targets of which no ticket is minted while a lock on them is in force. So a ticket with the number of such a lock, or a
 * greater one, was decided after its lift. Of a session no mint knows, and who has a stolen key writes any number.
 */
const LIFTED_BY_NUMBER: readonly Target['kind'][] = ['principal', 'service-token', 'agent', 'everything'];

/** Targets that are in one object alone. */
const KEPT: readonly Target['kind'][] = ['instance', 'ticket'];

/**
 * The commands of the broker to one object, which the worker has verified. Doing any of them twice, in whatever order
 * with others, changes nothing more. All but the end of a destruction is synchronous.
 */
export function createCommands({ sql, sessions, destruction, clock, onFacts }: CommandPorts) {
  const revocations = objectRevocationStore(sql);

  function endHit(revocation: Revocation): number {
    const now = clock();
    const byNumber = LIFTED_BY_NUMBER.includes(readTargetName(revocation.target).kind);
    return sessions
      .listOpen()
      .filter((session) => {
        const claims = claimsOf(session);
        const names = targetNamesOf({ claims, kid: session.kid, session });
        const isDecidedLater = byNumber && claims.rev >= revocation.rev;
        return !isDecidedLater && isHit({ names, rev: claims.rev }, revocation, now);
      })
      .reduce((sum, { id }) => sum + sessions.terminate(id, revocation.code), 0);
  }

  /**
   * An object keeps a revocation that names it, or one ticket. One of a principal or an agent concerns many objects:
   * nothing is minted for it, and tickets minted before are checked against the record's copy. A late retry of a lock must
   * not end sessions that were opened after its lift.
   */
  function revoke(revocation: Revocation): CommandAnswer {
    if (!KEPT.includes(readTargetName(revocation.target).kind)) return { closed: endHit(revocation) };
    revocations.apply(revocation);
    const isNewest = revocations.all().some(({ id, rev }) => id === revocation.id && rev === revocation.rev);
    return { closed: isNewest ? endHit(revocation) : 0 };
  }

  async function destroy(revocation: Revocation): Promise<CommandAnswer> {
    // First, so that no ticket from before is admitted if the destruction fails half-way.
    revocations.apply(revocation);
    if (destruction.isDoneFor(revocation)) return { closed: 0 };
    return { closed: await destruction.startFor(revocation) };
  }

  function lapse(revocation: Revocation): CommandAnswer {
    const target = readTargetName(revocation.target);
    // Anything but a grant is a mistake of the broker; "opened" is the answer after which nothing lapses.
    const isOpened = target.kind !== 'grant' || revocations.isGrantUsed(target.id);
    // Before the answer: a ticket of this grant that is still on its way must not open what was given up.
    if (!isOpened) revocations.apply(revocation);
    return { closed: 0, opened: isOpened };
  }

  return {
    async execute(command: ObjectCommand): Promise<CommandAnswer> {
      switch (command.op) {
        case 'revoke':
          return revoke(command.revocation);
        case 'destroy':
          return destroy(command.revocation);
        case 'lapse':
          return lapse(command.revocation);
      }
    },

    /**
     * Which of these sessions are open. While facts still wait for the record database all of them count as open, since
     * those facts may be about them.
     */
    listSessions({ sessions: ids }: SessionQuestion): SessionAnswer {
      sessions.endLost();
      if (sessions.hasBacklog()) {
        onFacts();
        return { open: [...ids], ended: [] };
      }
      const known = ids.map((id) => sessions.find(id)).filter((session) => session !== undefined);
      return {
        open: known.filter(({ endedAt }) => endedAt === null).map(({ id }) => id),
        ended: known.flatMap(({ id, endedAt: at, endReason: reason }) =>
          at === null || reason === null ? [] : [{ id, at, reason }],
        ),
      };
    },
  };
}
