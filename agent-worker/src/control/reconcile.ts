import type { RecordFact } from '@agent-ticket/drizzle/record/deliver.ts';
import type { AgentSessionRow, sessionQueries } from '@agent-ticket/drizzle/record/sessions.ts';
import { SESSION_ABSOLUTE_SECONDS } from '@agent-ticket/shared/limits.ts';
import { PrincipalId, SessionId, TicketId } from '@agent-ticket/shared/names.ts';
import type { RollAnswer, RollCall } from '../order.ts';
import { inTurns } from './in-turns.ts';

export interface ReconcilePorts {
  readonly sessions: Pick<ReturnType<typeof sessionQueries>, 'listOpen'>;
  /** Asks one object which of these sessions it has; rejects when the object does not answer. */
  readonly callRoll: (agent: string, instance: string, roll: RollCall) => Promise<RollAnswer>;
  /** Writes facts into the record database. */
  readonly deliver: (facts: readonly RecordFact[], now: number) => Promise<unknown>;
  readonly clock: () => number;
  /** At least 0 and less than 1. */
  readonly random: () => number;
}

/** A session this young may not have been accepted, or its end not delivered yet. */
const SETTLED_MS = 60_000;
/** Sessions looked at in one run, half of them the oldest there are. */
const PER_RUN = 500;

export interface Reconciled {
  readonly closed: number;
  readonly objects: number;
  readonly unreachable: number;
}

/**
 * Closes ghosts: sessions that the record takes for open and their object does not. Each run looks at the oldest, which
 * every ghost becomes one day, and where there are more at a run of others from anywhere, so that none waits for all
 * before it. Safe to run any number of times at once: an end is written once, and its event has the session's id.
 */
export async function reconcile(ports: ReconcilePorts): Promise<Reconciled> {
  const now = ports.clock();
  const rows = await candidates(ports, now);
  const rooms = new Map<string, AgentSessionRow[]>();
  for (const row of rows) {
    const room = `${row.agentSlug}/${row.instanceId}`;
    rooms.set(room, [...(rooms.get(room) ?? []), row]);
  }
  const answers = await inTurns([...rooms.values()], (room) => lostOf(room, ports, now));
  const lost = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  await ports.deliver(lost, now);
  const unreachable = answers.filter(({ status }) => status === 'rejected').length;
  return { closed: lost.length, objects: rooms.size - unreachable, unreachable };
}

async function candidates({ sessions, random }: ReconcilePorts, now: number): Promise<AgentSessionRow[]> {
  const until = now - SETTLED_MS;
  const oldest = await sessions.listOpen(0, until, PER_RUN);
  if (oldest.length < PER_RUN) return oldest;
  const first = oldest.slice(0, PER_RUN / 2);
  const span = SESSION_ABSOLUTE_SECONDS * 1000;
  const others = await sessions.listOpen(Math.floor(until - random() * span), until, PER_RUN / 2);
  return [...new Map([...first, ...others].map((row) => [row.id, row])).values()];
}

/** The ends of those sessions of one object that are over. */
async function lostOf(
  room: readonly AgentSessionRow[],
  ports: ReconcilePorts,
  now: number,
): Promise<RecordFact[]> {
  const [{ agentSlug, instanceId } = { agentSlug: '', instanceId: '' }] = room;
  const answer = await ports.callRoll(agentSlug, instanceId, {
    sessions: room.map(({ id }) => SessionId.parse(id)),
  });
  const ended = new Map(answer.ended.map((each) => [each.id, each]));
  return room
    .filter(({ id }) => !answer.open.includes(id))
    .map((row) => {
      const { at, reason } = ended.get(row.id) ?? { at: now, reason: 'connection_lost' };
      return endOf(row, at, reason);
    });
}

function endOf(row: AgentSessionRow, at: number, reason: string): RecordFact {
  const { userId, agentSlug: agent, instanceId: instance, ...same } = row;
  const { id, jti, kid, ipAddress, userAgent } = row;
  return {
    session: { ...same, principal: userId, agent, instance, endedAt: at, endReason: reason },
    event: {
      eventId: id,
      at,
      type: 'session.closed',
      outcome: 'success',
      code: reason,
      principal: PrincipalId.parse(userId),
      agent,
      instance,
      jti: TicketId.parse(jti),
      sessionId: id,
      kid,
      ipAddress: ipAddress ?? undefined,
      userAgent: userAgent ?? undefined,
      details: { found: 'reconciled' },
    },
  };
}
