import { listOf, membersOf, textOr } from '../json.ts';

/** A live session of the person, as `GET /sessions` of the broker lists it. */
export interface LiveSession {
  readonly id: string;
  readonly agent: string;
  readonly instance: string;
  readonly role: string;
  /** Of the ticket that opened or last renewed it. */
  readonly jti: string;
  /** In ms since 1970. */
  readonly startedAt: number;
}

export function readSessions(body: unknown): LiveSession[] {
  return listOf(membersOf(body).items).flatMap((item) => {
    const { id, agent, instance, role, jti, started_at: started } = membersOf(item);
    const startedAt = typeof started === 'string' ? Date.parse(started) : Number.NaN;
    if (typeof id !== 'string' || Number.isNaN(startedAt)) return [];
    return [
      {
        id,
        agent: textOr(agent, '?'),
        instance: textOr(instance, '?'),
        role: textOr(role, '?'),
        jti: textOr(jti, ''),
        startedAt,
      },
    ];
  });
}

/** What became of ending one, by the receipt of `DELETE /sessions/:id`. */
export function describeReceipt(body: unknown): string {
  const { closed, ms } = membersOf(membersOf(body).receipt);
  if (typeof closed !== 'number') return 'The broker ended it.';
  const took = typeof ms === 'number' ? ` in ${Math.round(ms)} ms` : '';
  return closed === 1
    ? `Ended: its socket was closed${took}.`
    : `Ended: ${closed} sockets were closed${took}.`;
}
