import type { ObjectSession, SessionRows } from '@agent-ticket/drizzle/object/sessions.ts';
import { closeFrameOf, type DenialReason } from '@agent-ticket/shared/denial.ts';
import type { Audit } from './audit.ts';
import type { StreamEnd, Streams } from './streams.ts';

/** Why a session ended without a refusal. */
export type PlainEnd = StreamEnd | 'connection_lost' | 'destroyed';

/** Ends by which a client left. Nobody took its rights away, so work that it began may go on. */
const LEFT: ReadonlySet<string | null> = new Set<PlainEnd>(['finished', 'client_closed', 'connection_lost']);
export const hasLeft = ({ endReason }: Pick<ObjectSession, 'endReason'>): boolean => LEFT.has(endReason);

export interface EndPorts {
  readonly rows: SessionRows;
  readonly audit: Pick<Audit, 'ended'>;
  /** Sockets of one session, hibernated ones too. */
  readonly sockets: (sessionId: string) => readonly WebSocket[];
  readonly streams: Pick<Streams, 'has' | 'cut'>;
  /** Whether a session is admitted, but not yet accepted by the SDK: open without a socket for that time. */
  readonly isOpening: (sessionId: string) => boolean;
  /** Called in the turn in which the end of a session is written. */
  readonly forget: (sessionId: string) => void;
  readonly clock: () => number;
}

/**
 * How the sessions of one object end. Synchronous, and an end that takes rights away is written before the socket is
 * closed. Code that is opening or renewing the session, or handling a frame of it, reads any end afterwards.
 */
export function createEnds({ rows, audit, sockets, streams, isOpening, forget, clock }: EndPorts) {
  /** Ends a session; its first end counts. Its socket or stream stays as it is. */
  function end(
    id: string,
    reason: DenialReason | PlainEnd,
    details?: Readonly<Record<string, number>>,
  ): void {
    forget(id);
    const write = LEFT.has(reason) ? rows.noteLeft : rows.end;
    const ended = write(id, reason, clock(), details === undefined ? null : JSON.stringify(details));
    if (ended !== undefined) audit.ended(ended);
  }

  return {
    end,

    /** Ends a session and closes its sockets and stream; how many those were. */
    terminate(id: string, why: DenialReason): number {
      end(id, why);
      const open = sockets(id);
      for (const ws of open) closeSocket(ws, why);
      return open.length + (streams.cut(id) ? 1 : 0);
    },

    /** Ends sessions whose socket died with an earlier life of this object: after a crash or a deploy no event comes. */
    endLost(): void {
      for (const { id } of rows.listOpen()) {
        const isCarried = isOpening(id) || streams.has(id) || sockets(id).length > 0;
        if (!isCarried) end(id, 'connection_lost');
      }
    },
  };
}

export function closeSocket(ws: WebSocket, why: DenialReason): void {
  const { code, reason } = closeFrameOf({ reason: why });
  ws.close(code, reason);
}

/** The reason for a client that still sends in a session that has ended. */
export const endReasonOf = ({ endReason }: ObjectSession): DenialReason =>
  END_REASONS.find((reason) => reason === endReason) ?? 'session_terminated';

const END_REASONS = [
  'session_expired',
  'session_idle',
  'rights_changed',
  'locked',
  'ticket_replayed',
  'agent_failed',
] as const;

/** RFC 6455 §7.4.1: no close frame came; and one came without a code. Neither may be in a frame. */
const BROKEN = 1006;
const NO_CODE = 1005;
/** The same section: a client broke the protocol, as one does whose close has a code that is not for frames. */
const PROTOCOL_ERROR = 1002;

/** Codes that the runtime sends; it throws at the others, and hands them on where a client sends them. */
const isSendable = (code: number): boolean =>
  code >= 1000 && code <= 4999 && ![1004, NO_CODE, BROKEN, 1015].includes(code);

/** A close as the runtime reports it. `wasClean`: a frame came, whatever code it had. */
interface Close {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

const isLost = ({ code, wasClean }: Close): boolean => code === BROKEN && !wasClean;

/** How a client left. */
export const plainEndOf = (close: Close): PlainEnd => (isLost(close) ? 'connection_lost' : 'client_closed');

/**
 * Passes a close on to the agent and answers it, whatever its code, or its client would wait and hold the connection. The
 * SDK answers only codes that may be sent, and an agent's override may answer none. To answer twice does nothing.
 */
export async function answerClose(
  ws: WebSocket,
  close: Close,
  notifyAgent: () => void | Promise<void>,
): Promise<void> {
  const { code, reason } = close;
  const isOdd = !isSendable(code);
  if (isOdd && !isLost(close)) ws.close(code === NO_CODE ? 1000 : PROTOCOL_ERROR);
  try {
    await notifyAgent();
  } finally {
    if (!isOdd) ws.close(code, reason);
  }
}
