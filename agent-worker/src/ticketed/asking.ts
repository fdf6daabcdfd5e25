import { getCurrentAgent } from 'agents';
import type { Keeper } from './keeper.ts';
import { keptText } from './kept-text.ts';
import { claimsOf, principalOf, type SessionPrincipal } from './session.ts';

export interface Asking {
  /** Notes who is behind a plain request, for as long as the agent holds that request. */
  note(request: Request, principal: SessionPrincipal): void;
  principal(): SessionPrincipal;
  noteDenied(code: string, details?: Readonly<Record<string, string>>): void;
}

/** Who is behind the frame or request that agent code is handling, as the SDK's own context tells it. */
export function createAsking(keeper: Pick<Keeper, 'find' | 'denied'>): Asking {
  const requests = new WeakMap<Request, SessionPrincipal>();
  const sessionAsking = () => {
    const { connection } = getCurrentAgent();
    return connection === undefined ? undefined : keeper.find(connection.id);
  };
  return {
    note(request, principal) {
      requests.set(request, principal);
    },

    principal() {
      const { request } = getCurrentAgent();
      const ofRequest = request === undefined ? undefined : requests.get(request);
      if (ofRequest !== undefined) return ofRequest;
      const session = sessionAsking();
      if (session === undefined)
        throw new Error('principal() is only known while a frame or request is handled');
      return principalOf(claimsOf(session), session.id);
    },

    noteDenied(code, details = {}) {
      const session = sessionAsking();
      if (session === undefined) throw new Error('noteDenied() is only possible while a frame is handled');
      const kept = Object.entries(details).map(([name, text]) => [name, keptText(text)]);
      keeper.denied(session, Object.fromEntries(kept), code);
    },
  };
}
