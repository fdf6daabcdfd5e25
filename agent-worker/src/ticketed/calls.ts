import type { InvocationFact } from '@agent-ticket/drizzle/record/invocations.ts';
import { frameMembers } from './frames.ts';

type Outcome = InvocationFact['outcome'];
type Pending = Map<string, (outcome: Outcome) => void>;

/** A call that was let through. */
export interface Call {
  readonly id: string;
  readonly method: string;
}

/**
 * Reads the outcome of calls from the answers that the SDK sends: the one place that the SDK's own code, an agent's
 * `observability` and sub-agents cannot bypass or silence. Socket objects belong to the runtime and live as long as
 * something references them, so `send` is wrapped on each at its first call.
 */
export function createCalls(clock: () => number) {
  const watched = new WeakMap<WebSocket, Pending>();

  function watch(ws: WebSocket): Pending {
    const known = watched.get(ws);
    if (known !== undefined) return known;
    const pending: Pending = new Map();
    watched.set(ws, pending);
    const send = ws.send.bind(ws);
    ws.send = (message) => {
      if (pending.size > 0 && typeof message === 'string') noteAnswer(pending, message);
      send(message);
    };
    return pending;
  }

  return {
    /** Runs a call and answers its outcome. Adds no await of its own, and passes on what `run` throws. */
    async follow(
      ws: WebSocket,
      call: Call,
      run: () => void | Promise<void>,
    ): Promise<Omit<InvocationFact, 'id' | 'sessionId'>> {
      const pending = watch(ws);
      const startedAt = clock();
      const seen: { outcome: Outcome } = { outcome: 'unanswered' };
      pending.set(call.id, (found) => {
        seen.outcome = found;
      });
      try {
        await run();
      } finally {
        pending.delete(call.id);
      }
      const { outcome } = seen;
      const code = outcome === 'error' ? 'agent_failed' : null;
      return { method: call.method, startedAt, durationMs: clock() - startedAt, outcome, code };
    },
  };
}

/** An answer is `{"type":"rpc","id",…,"success"}`; parts of a stream come before it, with `done` false. */
function noteAnswer(pending: Pending, message: string): void {
  if (!message.includes('"rpc"')) return;
  const parsed = frameMembers(message);
  if (parsed?.type !== 'rpc' || typeof parsed.id !== 'string') return;
  if (parsed.success === false) pending.get(parsed.id)?.('error');
  else if (parsed.done !== false) pending.get(parsed.id)?.('success');
}
