import type { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import { getCurrentAgent } from 'agents';
import { principalOf, type SessionPrincipal } from './claims.ts';

interface CallerPorts {
  /** The rights of a session. */
  readonly findClaims: (sessionId: string) => TicketClaims | undefined;
  readonly auditDenied: (sessionId: string, code: string, details: Readonly<Record<string, string>>) => void;
}

/** The caller whose frame or plain request agent code is handling, by the SDK's own context. */
export function createCaller({ findClaims, auditDenied }: CallerPorts) {
  const requests = new WeakMap<Request, SessionPrincipal>();
  const currentSession = (): SessionPrincipal | undefined => {
    const { connection } = getCurrentAgent();
    const claims = connection === undefined ? undefined : findClaims(connection.id);
    return claims === undefined ? undefined : principalOf(claims, connection?.id);
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
      const ofSession = currentSession();
      if (ofSession === undefined)
        throw new Error('principal() is only known while a frame or request is handled');
      return ofSession;
    },

    noteDenied(code: string, details: Readonly<Record<string, string>> = {}): void {
      const session = currentSession()?.session;
      if (session === undefined) throw new Error('noteDenied() is only possible while a frame is handled');
      auditDenied(session, code, details);
    },
  };
}
