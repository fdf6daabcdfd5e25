import type { ObjectSession } from '@agent-ticket/drizzle/object/sessions.ts';
import { getCurrentAgent } from 'agents';
import { claimsOf, principalOf, type SessionPrincipal } from './claims.ts';

interface CallerPorts {
  readonly findSession: (id: string) => ObjectSession | undefined;
  readonly auditDenied: (
    session: ObjectSession,
    code: string,
    details: Readonly<Record<string, string>>,
  ) => void;
}

/** The caller whose frame or plain request agent code is handling, by the SDK's own context. */
export function createCaller({ findSession, auditDenied }: CallerPorts) {
  const requests = new WeakMap<Request, SessionPrincipal>();
  const currentSession = () => {
    const { connection } = getCurrentAgent();
    return connection === undefined ? undefined : findSession(connection.id);
  };
  return {
    /** Notes the caller of a plain request, for as long as the agent holds that request. */
    noteRequest(request: Request, principal: SessionPrincipal): void {
      requests.set(request, principal);
    },

    principal(): SessionPrincipal {
      const { request } = getCurrentAgent();
      const ofRequest = request === undefined ? undefined : requests.get(request);
      if (ofRequest !== undefined) return ofRequest;
      const session = currentSession();
      if (session === undefined)
        throw new Error('principal() is only known while a frame or request is handled');
      return principalOf(claimsOf(session), session.id);
    },

    noteDenied(code: string, details: Readonly<Record<string, string>> = {}): void {
      const session = currentSession();
      if (session === undefined) throw new Error('noteDenied() is only possible while a frame is handled');
      auditDenied(session, code, details);
    },
  };
}
