interface ApprovalPorts {
  readonly kv: Pick<SyncKvStorage, 'get' | 'put' | 'delete'>;
  /** The conversation of the SDK's chat; anything else where the agent is none. */
  readonly messages: () => unknown;
}

const keyOf = (callId: string): string => `agent-ticket/approved/${callId}`;

/**
 * Which session approved which call of a tool. The SDK's chat goes on once several calls are answered, as the one who
 * answered last: whoever approved a call before would have that person's rights for it.
 */
export function createApprovals({ kv, messages }: ApprovalPorts) {
  return {
    /** Notes an approval of a call that waits for one; no other makes a row. */
    note(callId: string, sessionId: string): void {
      if (isAwaited(messages(), callId)) kv.put(keyOf(callId), sessionId);
    },

    /** The session that approved a call, once: a call runs once. */
    take(callId: string): string | undefined {
      const sessionId = kv.get(keyOf(callId));
      if (sessionId !== undefined) kv.delete(keyOf(callId));
      return typeof sessionId === 'string' ? sessionId : undefined;
    },
  };
}

/** States of a call in which the SDK takes an approval. */
const AWAITED: readonly unknown[] = ['approval-requested', 'input-available'];

const isAwaited = (messages: unknown, callId: string): boolean =>
  Array.isArray(messages) &&
  messages.some(
    ({ parts }) =>
      Array.isArray(parts) &&
      parts.some(({ toolCallId, state }) => toolCallId === callId && AWAITED.includes(state)),
  );
