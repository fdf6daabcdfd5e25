import type { ObjectSession } from '@agent-ticket/drizzle/object/sessions.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { Handover } from '../handover.ts';
import { logFailure } from './sdk.ts';
import type { Sessions } from './sessions.ts';
import type { Streams } from './streams.ts';

interface UpgradePorts {
  readonly sessions: Sessions;
  /** The agent's answer; `undefined` when it failed. */
  readonly askAgent: () => Promise<Response | undefined>;
  /** Schedules the next sweep; `false` when that is not possible. */
  readonly arm: () => Promise<boolean>;
  /** The same for a session that was just opened: also its hand-over to the record database rests on the sweep. */
  readonly armFor: (session: ObjectSession) => Promise<boolean>;
}

/**
 * Answers a request for a socket: burns its ticket, opens its session, and only then asks the agent. Waits for no
 * database: a revocation that this object does not have ends the session once a recorder has written it.
 */
export async function answerUpgrade(handover: Handover, ports: UpgradePorts): Promise<Outcome<Response>> {
  const { sessions } = ports;
  const admitted = sessions.admit(handover);
  if (!admitted.ok) {
    // The sweep passes on a replay that was noted.
    await ports.arm();
    return admitted;
  }
  const { id } = admitted.value;
  const [answer, isArmed] = await Promise.all([ports.askAgent(), ports.armFor(admitted.value)]);
  // Any other answer of the agent stays inside. Without a sweep no silent session would ever end.
  const isAccepted = answer?.status === 101 && isArmed;
  const denial = sessions.finishOpening(id, isAccepted);
  // An accepted socket is closed by now with its reason, which only its client can read.
  return isAccepted ? ok(answer) : { ok: false, denial: denial ?? { reason: 'agent_failed' } };
}

interface PlainPorts extends UpgradePorts {
  readonly streams: Streams;
  /** Rejects when `signal` aborts: a timer keeps an object awake. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Whether the principal is within its rate; counts this request. */
  readonly allowRate: () => boolean;
  /** Counts this request as in flight until the answer is called; `undefined` where there are too many. */
  readonly enter: () => (() => void) | undefined;
}

/**
 * Answers a request that opens no socket. Its ticket may be presented again until it expires or its session ends; an
 * answer that streams is a session of its own, so it burns the ticket, which must be one for plain requests.
 */
export async function answerPlain(handover: Handover, ports: PlainPorts): Promise<Outcome<Response>> {
  const { sessions } = ports;
  const checked = sessions.checkRequest(handover);
  if (!checked.ok) return checked;
  if (!ports.allowRate()) return err('too_many_messages');
  const leave = ports.enter();
  if (leave === undefined) return err('too_many_requests');
  try {
    return await answerAllowed(handover, ports);
  } finally {
    leave();
  }
}

async function answerAllowed(handover: Handover, ports: PlainPorts): Promise<Outcome<Response>> {
  const { sessions } = ports;
  sessions.noteOpened(handover);
  const answer = await ports.askAgent();
  if (answer === undefined) return err('agent_failed');
  const mayStream = handover.claims.transport === 'http';
  const { body, whole } = isEventStream(answer)
    ? { body: answer.body }
    : await readAhead(answer, (signal) => ports.sleep(mayStream ? MOMENT_MS : WITHOUT_STREAM_MS, signal));
  if (whole !== undefined) return whole;
  if (body === null) return ok(answer);

  const admitted = mayStream ? sessions.admit(handover) : err('streaming_not_admitted');
  if (!admitted.ok) {
    await ports.arm();
    await body.cancel();
    return admitted;
  }
  const { id } = admitted.value;
  const carried = ports.streams.carry(id, body, takesComments(answer), (how) => sessions.end(id, how));
  const isArmed = await ports.armFor(admitted.value);
  const denial = sessions.finishOpening(id, isArmed);
  return denial === undefined ? ok(new Response(carried, answer)) : { ok: false, denial };
}

/** How long an answer may take to end before it is a stream, and its ticket is burned. */
const MOMENT_MS = 250;
/** The same for a ticket that allows no stream: such an answer is refused, so a slow one gets more time. */
const WITHOUT_STREAM_MS = 5_000;
/** The most that is held of an answer that does not end: more than a long transcript, and less than an object may hold. */
const READ_AHEAD_BYTES = 8 * 1024 * 1024;

const isEventStream = ({ headers }: Response): boolean =>
  /^text\/event-stream\b/i.test(headers.get('content-type') ?? '');

const takesComments = (answer: Response): boolean =>
  isEventStream(answer) && !answer.headers.has('content-encoding') && !answer.headers.has('content-length');

type Body = ReadableStream<Uint8Array>;
type ReadAhead =
  | { readonly whole: Outcome<Response>; readonly body?: undefined }
  | { readonly body: Body | null; readonly whole?: undefined };

/**
 * Decides by its body whether an answer is a stream, whatever its media type and declared length: one that ends at once
 * is none. What was read of a stream comes first in the body that is answered.
 */
async function readAhead(
  answer: Response,
  sleep: (signal: AbortSignal) => Promise<void>,
): Promise<ReadAhead> {
  if (answer.body === null) return { whole: ok(answer) };
  const reader: ReadableStreamDefaultReader<Uint8Array> = answer.body.getReader();
  const parts: Uint8Array[] = [];
  const decided = new AbortController();
  const isOver = sleep(decided.signal).then(
    () => undefined,
    () => undefined,
  );
  try {
    for (let held = 0; held <= READ_AHEAD_BYTES; held += parts.at(-1)?.byteLength ?? 0) {
      const next = reader.read();
      const read = await Promise.race([next, isOver]);
      if (read === undefined) return { body: resumed(parts, reader, next) };
      if (read.done) return { whole: ok(new Response(await new Blob(parts).arrayBuffer(), answer)) };
      parts.push(read.value);
    }
  } catch (error) {
    logFailure(error);
    return { whole: err('agent_failed') };
  } finally {
    decided.abort();
  }
  return { body: resumed(parts, reader, reader.read()) };
}

/** The parts that were read, the one that is being read, and then the rest. */
function resumed(
  parts: Uint8Array[],
  reader: ReadableStreamDefaultReader<Uint8Array>,
  next: Promise<ReadableStreamReadResult<Uint8Array>>,
): Body {
  let pending: typeof next | undefined = next;
  // The part may fail before a reader asks for it; the reader then gets the failure.
  next.catch(() => {});
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const early = parts.shift();
      if (early !== undefined) return controller.enqueue(early);
      const { done, value } = await (pending ?? reader.read());
      pending = undefined;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
