import { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { enqueue } from '@agent-ticket/drizzle/object/drain.ts';
import { type ObjectSession, objectSessionQueries } from '@agent-ticket/drizzle/object/sessions.ts';
import type { InvocationFact } from '@agent-ticket/drizzle/record/invocation-facts.ts';
import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import type { EndingPorts } from './endings.ts';

export interface NotePorts extends Pick<EndingPorts, 'sql' | 'journal' | 'clock' | 'onFacts'> {
  readonly randomId: () => string;
}

export interface Notes {
  /** Records that a frame was refused: it lacked its scope, or the agent's code says why. */
  denied(session: ObjectSession, details: Readonly<Record<string, string>>, code?: string): void;
  /** Records a renewal that came to nothing, with the session as it is by now: it may have ended meanwhile. */
  renewalRefused(id: string, reason: DenialReason): void;
  /** Records what became of a call. */
  called(sessionId: string, call: Omit<InvocationFact, 'id' | 'sessionId'>): void;
}

/** What is recorded of frames, which changes no session. */
export function createNotes({ sql, journal, clock, randomId, onFacts }: NotePorts): Notes {
  const sessions = objectSessionQueries(sql);
  const backlog = backlogQueries(sql);
  return {
    denied(session, details, code = 'frame_scope_missing') {
      journal.session('rpc.denied', session, clock(), code, details);
      onFacts();
    },

    renewalRefused(id, reason) {
      const session = sessions.find(id);
      if (session !== undefined) journal.session('session.renewed', session, clock(), reason);
      onFacts();
    },

    called(sessionId, call) {
      enqueue(backlog, { invocation: { id: randomId(), sessionId, ...call } });
      onFacts();
    },
  };
}
