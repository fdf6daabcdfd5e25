import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import type { Handover } from '../handover.ts';
import type { Sessions } from './sessions.ts';
import type { Streams } from './streams.ts';

export interface UpgradePorts {
  readonly sessions: Sessions;
  /** The agent's answer; `undefined` when it failed. */
  readonly askAgent: () => Promise<Response | undefined>;
  /** Schedules the next sweep; `false` when that is not possible. */
  readonly arm: () => Promise<boolean>;
  /** Waits until the record database has checked a session that was just opened, while that answers. */
  readonly awaitRevocationCheck: () => Promise<void>;
}

/** Answers a request for a socket: burns its ticket, opens its session, and only then asks the agent. */
export async function answerUpgrade(handover: Handover, ports: UpgradePorts): Promise<Outcome<Response>> {
  const { sessions } = ports;
  const admitted = sessions.admit(handover);
  if (!admitted.ok) {
    // The sweep passes on a replay that was noted.
    await ports.arm();
    return admitted;
  }
  await ports.awaitRevocationCheck();
  const { id } = admitted.value;
  const answer = sessions.isOpen(id) ? await ports.askAgent() : undefined;
  // Any other answer of the agent stays inside. Without a sweep no silent session would ever end.
  const isAccepted = answer?.status === 101 && (await ports.arm());
  const denial = sessions.finishOpening(id, isAccepted);
  // An accepted socket is closed by now with its reason, which only its client can read.
  return isAccepted ? ok(answer) : { ok: false, denial: denial ?? { reason: 'agent_failed' } };
}

export interface PlainPorts extends UpgradePorts {
  readonly streams: Streams;
  /** Whether the principal is within its rate; counts this request. */
  readonly allowRate: () => boolean;
  /** Whether no revocation in the record database hits a ticket, while that answers. */
  readonly checkRevoked: (ticket: VerifiedTicket) => Promise<Outcome<undefined>>;
}

/**
 * Answers a request that opens no socket. Its ticket may be presented again until it expires or its session ends; a
 * streaming answer is a session of its own, so it burns the ticket, which must be one for plain requests.
 */
export async function answerPlain(handover: Handover, ports: PlainPorts): Promise<Outcome<Response>> {
  const { sessions } = ports;
  const checked = sessions.checkRequest(handover);
  if (!checked.ok) return checked;
  if (!ports.allowRate()) return err('too_many_messages');
  const recorded = await ports.checkRevoked(handover);
  if (!recorded.ok) return recorded;
  const still = sessions.checkRequest(handover);
  if (!still.ok) return still;
  sessions.noteGrantUsed(handover);
  const answer = await ports.askAgent();
  if (answer === undefined) return err('agent_failed');
  const { body } = answer;
  if (body === null || !isStream(answer)) return ok(answer);

  const admitted =
    handover.claims.transport === 'http' ? sessions.admit(handover) : err('streaming_not_admitted');
  if (!admitted.ok) {
    await ports.arm();
    await body.cancel();
    return admitted;
  }
  const { id } = admitted.value;
  const carried = ports.streams.carry(id, body, takesComments(answer), (how) => sessions.end(id, how));
  const [isArmed] = await Promise.all([ports.arm(), ports.awaitRevocationCheck()]);
  const denial = sessions.finishOpening(id, isArmed);
  return denial === undefined ? ok(new Response(carried, answer)) : { ok: false, denial };
}

const isStream = ({ headers }: Response): boolean =>
  /^text\/event-stream\b/i.test(headers.get('content-type') ?? '');

const takesComments = ({ headers }: Response): boolean =>
  !headers.has('content-encoding') && !headers.has('content-length');
