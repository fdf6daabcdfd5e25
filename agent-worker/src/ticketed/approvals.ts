const keyOf = (callId: string): string => `agent-ticket/approved/${callId}`;

/**
 * Which session approved which call of a tool. The SDK's chat goes on once several calls are answered, as the one who
 * answered last: a person who approved a call before would have that person's rights for it.
 *
 * @param messages the conversation of the SDK's chat; anything else where the agent is none.
 */
export function createApprovals(kv: Pick<SyncKvStorage, 'get' | 'put' | 'delete'>, messages: () => unknown) {
  /** The last approvals: an object that a frame wakes reads its conversation after the frame is noted. */
  const recent = new Map<string, string>();
  return {
    /** Notes an approval. It makes a row for a call that waits for one, and for no other. */
    note(callId: string, sessionId: string): void {
      recent.delete(callId);
      recent.set(callId, sessionId);
      const [oldest] = recent.size > RECENT ? recent.keys() : [];
      if (oldest !== undefined) recent.delete(oldest);
      if (isAwaited(messages(), callId)) kv.put(keyOf(callId), sessionId);
    },

    /** The session that approved a call, once: a call runs once. */
    take(callId: string): string | undefined {
      const stored = kv.get(keyOf(callId));
      if (stored !== undefined) kv.delete(keyOf(callId));
      const sessionId = typeof stored === 'string' ? stored : recent.get(callId);
      recent.delete(callId);
      return sessionId;
    },
  };
}

/** Approvals that are kept in memory. */
const RECENT = 100;

/** States of a call in which the SDK takes an approval. */
const AWAITED: readonly unknown[] = ['approval-requested', 'input-available'];

const isAwaited = (messages: unknown, callId: string): boolean =>
  Array.isArray(messages) &&
  messages.some(
    ({ parts }) =>
      Array.isArray(parts) &&
      parts.some(({ toolCallId, state }) => toolCallId === callId && AWAITED.includes(state)),
  );
