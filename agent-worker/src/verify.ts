import { closeFrameOf, type Denial, type DenialReason, httpErrorOf } from '@agent-ticket/shared/denial.ts';
import {
  answeredProtocol,
  SUBPROTOCOL,
  takeFromRequest,
  takeFromUpgrade,
} from '@agent-ticket/shared/handshake.ts';
import { KEY_SET } from '@agent-ticket/shared/limits.ts';
import { AgentSlug, InstanceName, type Role, type Tier } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { CONNECT, covers, formatScope, Scope } from '@agent-ticket/shared/scope.ts';
import { BaseUrl } from '@agent-ticket/shared/settings.ts';
import type { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import { verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { brokerKeys } from './broker-keys.ts';
import type { Burn } from './verify/burns.ts';

export {
  BURNED_TICKETS_TABLE,
  type Burn,
  type BurnDatabase,
  burnInD1,
  burnInThisProcess,
} from './verify/burns.ts';
export { closeAtEnd, type NodeRequest, nodeRequest, withoutTicket } from './verify/servers.ts';

/** Verifies tickets in front of a server that has neither the gate nor the Agents SDK. */

export interface TicketVerifierOptions {
  /** The broker, as tickets name it, equal character by character. Its keys are at `/.well-known/jwks.json`. */
  readonly issuer: string;
  /**
   * This server, as the broker's `WORKERS` and so the tickets name it, equal character by character. It must be of this
   * server alone: two servers with one audience admit each other's tickets.
   */
  readonly audience: string;
  /** The slugs of the agents that this server serves. */
  readonly agents: readonly string[];
  /**
   * The store that limits a ticket to one socket. `'reusable'`: a ticket opens any number of sockets until it expires,
   * so another party that reads it can use it, too.
   */
  readonly burn: Burn | 'reusable';
  /** Left out: the runtime's. `clock` is in milliseconds since 1970 and must be right within 5 s. */
  readonly ports?: Partial<VerifierPorts>;
}

export interface VerifierPorts {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly clock: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

/**
 * The members of a request that the verifier reads. A Fetch API `Request` has them, and {@link nodeRequest} makes them
 * from a request of Node.
 */
export interface IncomingTicketRequest {
  readonly url: string;
  readonly headers: Headers;
}

/** A verified caller. */
export interface VerifiedSession {
  /** The principal, as the broker names it. */
  readonly principal: string;
  /** Agent and instance that the ticket is for. Use these, and no other reading of the path. */
  readonly agent: string;
  readonly instance: string;
  /** A label; {@link allows} decides. */
  readonly role: Role;
  readonly tier: Tier;
  /** Separated by spaces. */
  readonly scope: string;
  /** The ticket's name in the broker's log and audit. */
  readonly jti: string;
  /** When a socket must be closed, in milliseconds since 1970: with {@link SESSION_EXPIRED}. */
  readonly endsAt: number;
  /** Whether the ticket has a scope. Throws a `TypeError` for a text that is no scope. */
  allows(scope: string): boolean;
}

/** A refusal: exact for the log, without details for the client. */
export interface TicketRefusal {
  /** For the log, never for the client. */
  readonly reason: DenialReason;
  readonly detail: string | undefined;
  /** The ticket's name in the broker's audit log, for the log: of one whose signature is good. */
  readonly jti: string | undefined;
  /** HTTP status and body, for plain requests and for upgrades of clients that ask for JSON. */
  readonly status: number;
  readonly body: { readonly error: { readonly code: string; readonly message: string } };
  /** Seconds, for `Retry-After`. */
  readonly retryAfter: number | undefined;
  /** For sockets: accept, then close with these. A page learns nothing from a handshake that fails. */
  readonly close: { readonly code: number; readonly reason: string };
}

export type SocketAdmission = {
  /** The subprotocol of the 101, of an admitted and of a refused socket: the marker, never the ticket. */
  readonly protocol: string | undefined;
} & (
  | { readonly ok: true; readonly session: VerifiedSession }
  | { readonly ok: false; readonly refusal: TicketRefusal }
);

export type RequestAdmission =
  | { readonly ok: true; readonly session: VerifiedSession }
  | { readonly ok: false; readonly refusal: TicketRefusal };

export interface TicketVerifier {
  /**
   * Admits the upgrade of a WebSocket at `/agents/<agent>/<instance>[/...]`: one ticket, for this place, not used before.
   * Rejects where `burn` rejects. `scope` is the scope that the socket needs; left out: `agent:connect`.
   */
  admitSocket(request: IncomingTicketRequest, scope?: string): Promise<SocketAdmission>;
  /**
   * Admits a plain request to such a path, by `Authorization`. A ticket is good for any number of plain requests until
   * it expires, whether it opened a socket or not.
   */
  admitRequest(request: IncomingTicketRequest, scope: string): Promise<RequestAdmission>;
}

/** The close of a socket whose session has ended: a client of ours gets a new ticket and connects again. */
export const SESSION_EXPIRED = { code: 3000, reason: 'session_expired' } as const;

/**
 * A verifier with the broker's keys, cached as the gate caches them: one minute, and six minutes through an outage.
 * Create one for each server and keep it. Throws a `TypeError` for options that are not sound. Runs on Node 20 and on
 * Workers.
 *
 * Checks, with the code of the gate: delivery, spelling, signature, issuer, audience, time with 5 s of leeway, agent and
 * instance of the path, kind of ticket, scope; and by `burn` that the ticket has opened no socket before.
 *
 * Does NOT check, and does not know: locks and revocations (a person who is locked gets no new ticket, and keeps a
 * socket until `endsAt`, an hour at most; a revoked key is forgotten within two minutes), the `Origin`, scopes of
 * messages (ask `allows` for each), limits of any kind. Does NOT renew sessions, record them, or write an audit log.
 */
export function createTicketVerifier(options: TicketVerifierOptions): TicketVerifier {
  const { issuer, audience, burn } = options;
  const agents = readOptions(options);
  const ports: VerifierPorts = { ...RUNTIME, ...options.ports };
  const findKey = brokerKeys(
    {
      fetchSet: (signal) => ports.fetch(keySetOf(issuer), { signal, redirect: 'manual' }),
      clock: ports.clock,
      sleep: ports.sleep,
    },
    KEY_SET.cooldownMs,
  );

  async function verify(
    { url, headers }: IncomingTicketRequest,
    kind: 'socket' | 'request',
    scope: Scope,
  ): Promise<Outcome<TicketClaims>> {
    const parsed = new URL(url);
    const route = routeOf(parsed.pathname, agents);
    if (!route.ok) return route;
    const taken = kind === 'socket' ? takeFromUpgrade(parsed, headers) : takeFromRequest(headers);
    if (!taken.ok) return taken;
    const verified = await verifyTicket(taken.value.ticket, {
      issuer,
      audience,
      nowSeconds: Math.floor(ports.clock() / 1000),
      route: route.value,
      scope,
      transport: kind === 'socket' ? 'websocket' : undefined,
      findKey,
    });
    if (!verified.ok) return verified;
    const { claims } = verified.value;
    return claims.session_expiry * 1000 > ports.clock() ? ok(claims) : err('session_expired');
  }

  return {
    async admitSocket(request, scope = CONNECT) {
      // Never a subprotocol of the app: only the server knows which of those it supports.
      const protocol = answeredProtocol(request.headers, null) && SUBPROTOCOL;
      const verified = await verify(request, 'socket', readScope(scope));
      if (!verified.ok) return { protocol, ok: false, refusal: refusalOf(verified.denial) };
      const claims = verified.value;
      // Last: a ticket that is refused for another reason stays unused, so its own destination can still accept it.
      const isFirst = burn === 'reusable' || (await burn(claims.jti, claims.exp));
      return isFirst
        ? { protocol, ok: true, session: sessionOf(claims) }
        : { protocol, ok: false, refusal: refusalOf({ reason: 'ticket_used', jti: claims.jti }) };
    },
    async admitRequest(request, scope) {
      const verified = await verify(request, 'request', readScope(scope));
      return verified.ok
        ? { ok: true, session: sessionOf(verified.value) }
        : { ok: false, refusal: refusalOf(verified.denial) };
    },
  };
}

const RUNTIME: VerifierPorts = {
  fetch: (url, init) => fetch(url, init),
  clock: () => Date.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

const keySetOf = (issuer: string): string => `${issuer.replace(/\/$/, '')}/.well-known/jwks.json`;

function readOptions({ issuer, audience, agents, burn }: TicketVerifierOptions): ReadonlySet<string> {
  const fault = (name: string, what: string): TypeError => new TypeError(`${name}: ${what}`);
  if (!BaseUrl.safeParse(issuer).success) throw fault('issuer', 'https, or http on loopback');
  if (typeof audience !== 'string' || audience === '' || audience.endsWith('/control'))
    throw fault('audience', 'the audience of this server, as the broker has it');
  if (agents.length === 0 || agents.some((slug) => !AgentSlug.safeParse(slug).success))
    throw fault('agents', 'slugs of the registry, at least one');
  // Without types, a missing store would otherwise be noticed at the first ticket.
  if (typeof burn !== 'function' && burn !== 'reusable') throw fault('burn', "a store, or 'reusable'");
  return new Set(agents);
}

function readScope(text: string): Scope {
  const scope = Scope.safeParse(text);
  if (!scope.success) throw new TypeError('no scope of an agent');
  return scope.data;
}

/** Reads `/agents/<agent>/<instance>[/...]` from the raw path: never decoded, so that no other spelling is the same place. */
function routeOf(
  pathname: string,
  agents: ReadonlySet<string>,
): Outcome<{ readonly agent: string; readonly instance: InstanceName }> {
  const [, prefix, agent = '', name = ''] = pathname.split('/');
  if (prefix !== 'agents' || !agents.has(agent)) return err('agent_unknown');
  const instance = InstanceName.safeParse(name);
  return instance.success
    ? ok({ agent, instance: instance.data })
    : err('instance_invalid', { field: 'instance' });
}

function sessionOf(claims: TicketClaims): VerifiedSession {
  return {
    principal: claims.sub,
    agent: claims.agent,
    instance: claims.instance,
    role: claims.role,
    tier: claims.tier,
    scope: formatScope(claims.scope),
    jti: claims.jti,
    endsAt: claims.session_expiry * 1000,
    allows: (scope) => covers(claims.scope, readScope(scope)),
  };
}

function refusalOf(denial: Denial): TicketRefusal {
  const { status, code, message } = httpErrorOf(denial);
  return {
    reason: denial.reason,
    detail: denial.detail,
    jti: denial.jti,
    status,
    body: { error: { code, message } },
    retryAfter: denial.retryAfter,
    close: closeFrameOf(denial),
  };
}
