import { type ObjectSession, objectSessionQueries } from '@agent-ticket/drizzle/object/sessions.ts';
import { closeFrameOf, type DenialReason } from '@agent-ticket/shared/denial.ts';
import type { Journal } from './journal.ts';
import type { StreamEnd, Streams } from './streams.ts';

/** Why a session ended without anybody refusing anything. */
export type PlainEnd = StreamEnd | 'connection_lost' | 'destroyed';

export interface EndingPorts {
  readonly sql: SqlStorage;
  readonly journal: Pick<Journal, 'session'>;
  /** Sockets of one session, hibernated ones too. */
  readonly sockets: (sessionId: string) => readonly WebSocket[];
  readonly streams: Pick<Streams, 'has' | 'cut'>;
  /** Whether a session is admitted, but not yet accepted by the SDK: open without a socket, and rightly so. */
  readonly isOpening: (sessionId: string) => boolean;
  readonly clock: () => number;
  /** Facts wait for the record database. */
  readonly onFacts: () => void;
}

export interface Endings {
  /** Ends a session; the first end of it counts. What carries it stays as it is. */
  end(id: string, reason: DenialReason | PlainEnd, details?: Readonly<Record<string, number>>): void;
  close(ws: WebSocket, why: DenialReason): void;
  /** Ends a session and closes what carries it; how many sockets and streams that was. */
  refuse(id: string, why: DenialReason): number;
  /** Ends sessions whose socket died with an earlier life of this object: a crash or a deploy tells nobody. */
  endLost(): void;
}

/**
 * How the sessions of one object end. Synchronous, as all of its keeper is, and an end is written before the socket is
 * closed: whoever is just opening, renewing or speaking reads it afterwards.
 */
export function createEndings(ports: EndingPorts): Endings {
  const sessions = objectSessionQueries(ports.sql);

  const end: Endings['end'] = (id, reason, details) => {
    const now = ports.clock();
    const ended = sessions.end(id, reason, now);
    if (ended === undefined) return;
    ports.journal.session('session.closed', ended, now, reason, details);
    ports.onFacts();
  };

  const close: Endings['close'] = (ws, why) => {
    const { code, reason } = closeFrameOf({ reason: why });
    ws.close(code, reason);
  };

  return {
    end,
    close,

    refuse(id, why) {
      end(id, why);
      const sockets = ports.sockets(id);
      for (const ws of sockets) close(ws, why);
      return sockets.length + (ports.streams.cut(id) ? 1 : 0);
    },

    endLost() {
      for (const { id } of sessions.listOpen()) {
        const carried = ports.isOpening(id) || ports.streams.has(id) || ports.sockets(id).length > 0;
        if (!carried) end(id, 'connection_lost');
      }
    },
  };
}

/** The reason to give to somebody who still speaks in a session that has ended. */
export const whyEnded = ({ endReason }: ObjectSession): DenialReason =>
  END_REASONS.find((reason) => reason === endReason) ?? 'session_terminated';

const END_REASONS = [
  'session_expired',
  'session_idle',
  'rights_changed',
  'locked',
  'ticket_replayed',
  'agent_failed',
] as const;
