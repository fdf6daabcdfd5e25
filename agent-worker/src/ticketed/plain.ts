import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { Handover } from '../handover.ts';
import type { Keeper } from './keeper.ts';
import type { Streams } from './streams.ts';

export interface PlainPorts {
  readonly keeper: Keeper;
  readonly streams: Streams;
  /** The agent's answer; `undefined` when it failed. */
  readonly ask: () => Promise<Response | undefined>;
  /** Whether the principal has not asked too often yet; counts this time. */
  readonly admits: () => boolean;
  /** Whether nothing stands against the ticket in the record database, while that answers. */
  readonly stands: () => Promise<Outcome<undefined>>;
  /** Makes sure of a sweep in time; `false` when it cannot be had. */
  readonly arm: () => Promise<boolean>;
  /** A session that was just opened meets what the record database has against it, while that answers. */
  readonly met: () => Promise<void>;
}

/**
 * Answers a request that opens no socket. Its ticket may be shown again until it expires or its session ends; a
 * streaming answer is a session of its own, so it burns the ticket, which must be one for plain requests.
 */
export async function answerPlain(handover: Handover, ports: PlainPorts): Promise<Outcome<Response>> {
  const { keeper } = ports;
  const may = keeper.mayAsk(handover);
  if (!may.ok) return may;
  if (!ports.admits()) return err('too_many_messages');
  const stands = await ports.stands();
  if (!stands.ok) return stands;
  const still = keeper.mayAsk(handover);
  if (!still.ok) return still;
  const answer = await ports.ask();
  if (answer === undefined) return err('agent_failed');
  const { body } = answer;
  if (body === null || !isStream(answer)) return ok(answer);

  const admitted =
    handover.claims.transport === 'http' ? keeper.admit(handover) : err('streaming_not_admitted');
  if (!admitted.ok) {
    await ports.arm();
    await body.cancel();
    return admitted;
  }
  const { id } = admitted.value;
  const carried = ports.streams.carry(id, body, takesComments(answer), (how) => keeper.end(id, how));
  const [armed] = await Promise.all([ports.arm(), ports.met()]);
  const why = keeper.opened(id, armed);
  return why === undefined ? ok(new Response(carried, answer)) : { ok: false, denial: why };
}

const isStream = ({ headers }: Response): boolean =>
  /^text\/event-stream\b/i.test(headers.get('content-type') ?? '');

const takesComments = ({ headers }: Response): boolean =>
  !headers.has('content-encoding') && !headers.has('content-length');
