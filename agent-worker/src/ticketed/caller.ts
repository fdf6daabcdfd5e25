import { AsyncLocalStorage } from 'node:async_hooks';
import type { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { getCurrentAgent } from 'agents';
import { principalOf, type SessionPrincipal } from './claims.ts';

interface CallerPorts {
  /** The rights of a session. */
  readonly findClaims: (sessionId: string) => TicketClaims | undefined;
  /** The browser that opened a session. */
  readonly findBrowser: (sessionId: string) => string | undefined;
  readonly auditDenied: (sessionId: string, code: string, details: Readonly<Record<string, string>>) => void;
}

interface NotedRequest {
  readonly principal: SessionPrincipal;
  readonly browser: string | undefined;
}

/** The caller whose frame or plain request agent code is handling, by the SDK's own context. */
export function createCaller({ findClaims, findBrowser, auditDenied }: CallerPorts) {
  const requests = new WeakMap<Request, NotedRequest>();
  /** The tickets of plain requests, by their callers. */
  const tickets = new WeakMap<object, VerifiedTicket>();
  /** The caller of a message of MCP: of some the SDK's context has neither request nor connection. */
  const messages = new AsyncLocalStorage<SessionPrincipal | undefined>();
  const browsers = new AsyncLocalStorage<string | undefined>();
  const currentSession = (): SessionPrincipal | undefined => {
    const { connection } = getCurrentAgent();
    const claims = connection === undefined ? undefined : findClaims(connection.id);
    return claims === undefined ? undefined : principalOf(claims, connection?.id);
  };
  /** The caller of the frame, request or message being handled, if there is one. */
  function find(): SessionPrincipal | undefined {
    const ofMessage = messages.getStore();
    if (ofMessage !== undefined) return ofMessage;
    const { request } = getCurrentAgent();
    return (request === undefined ? undefined : requests.get(request)?.principal) ?? currentSession();
  }
  return {
    /** Notes the caller of a plain request, for as long as the agent holds that request, and its ticket if it has one. */
    noteRequest(
      request: Request,
      principal: SessionPrincipal,
      browser: string | undefined,
      ticket?: VerifiedTicket,
    ): void {
      requests.set(request, { principal, browser });
      if (ticket !== undefined) tickets.set(principal, ticket);
    },

    /** The ticket of a plain request, by its caller. */
    ticketOf: (principal: object): VerifiedTicket | undefined => tickets.get(principal),

    /** Digest of the cookie of the browser whose frame or request is handled; `undefined` where there is none. */
    browser(): string | undefined {
      const { request, connection } = getCurrentAgent();
      const ofRequest = request === undefined ? undefined : requests.get(request);
      if (ofRequest !== undefined) return ofRequest.browser;
      return connection === undefined ? browsers.getStore() : findBrowser(connection.id);
    },

    /** Runs code that handles the redirect of a browser's flow: the SDK runs it outside of its own context. */
    runInBrowser: <T>(browser: string | undefined, work: () => T): T => browsers.run(browser, work),

    /** Runs what handles a message of MCP, or without a caller what must not have the rights of one. */
    run: <T>(principal: SessionPrincipal | undefined, work: () => T): T => messages.run(principal, work),

    find,

    principal(): SessionPrincipal {
      const found = find();
      if (found === undefined)
        throw new Error('principal() is only known while a frame or request is handled');
      return found;
    },

    noteDenied(code: string, details: Readonly<Record<string, string>> = {}): void {
      const session = currentSession()?.session;
      if (session === undefined) throw new Error('noteDenied() is only possible while a frame is handled');
      auditDenied(session, code, details);
    },
  };
}
export type Caller = ReturnType<typeof createCaller>;
