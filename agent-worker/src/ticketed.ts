import { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { burnQueries } from '@agent-ticket/drizzle/object/burns.ts';
import { createDelivery } from '@agent-ticket/drizzle/object/delivery.ts';
import { type ObjectSession, objectSessionQueries } from '@agent-ticket/drizzle/object/sessions.ts';
import { createObjectTables } from '@agent-ticket/drizzle/object/tables.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { closeFace, type DenialReason } from '@agent-ticket/shared/denial.ts';
import { BURN_KEPT_SECONDS, CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { covers, STATE_READ } from '@agent-ticket/shared/scope.ts';
import { type Agent, type Connection, type ConnectionContext, getCurrentAgent } from 'agents';
import { isUpgrade } from './gate/refuse.ts';
import { type Handover, readHandover } from './handover.ts';
import { admit } from './ticketed/admission.ts';
import { denialAnswer } from './ticketed/answer.ts';
import { isDestination } from './ticketed/destination.ts';
import { frameNeed, refusalFrame } from './ticketed/frames.ts';
import { createJournal } from './ticketed/journal.ts';
import { claimsOf, principalOf, type SessionPrincipal } from './ticketed/session.ts';
import { principalTag, sdkRequest, sessionIdOf } from './ticketed/socket.ts';

/** An Agents SDK class: `Agent` itself, or anything that extends it. */
type AgentClass<A> = new (ctx: DurableObjectState, env: Cloudflare.Env) => A;

/** What {@link ticketed} adds for agent code. */
export interface Ticketed {
  /**
   * Who is behind the frame or request being handled. Throws an `Error` outside of one, so that code which runs on
   * a schedule never takes somebody's rights.
   */
  principal(): SessionPrincipal;
}

/** Ended rows stay this long in the object, for plain requests whose ticket's session is over. */
const ENDED_KEPT_MS = 3600_000;
/** How soon facts are offered to the record database again after it refused them. */
const RETRY_MS = 5_000;
/** The SDK's schedule counts whole seconds; below one it would fire before its time. */
const SCHEDULE_STEP_MS = 1_000;

/**
 * Puts the ticket between the network and an agent: admission before any of its code runs, scopes on every inbound
 * frame, an end to every session. Without verified claims from the gate it refuses everything.
 *
 * The SDK speaks to a connection (identity, full state) before `onConnect`, and handles calls and state before
 * `onMessage`, so this sits at `fetch` and `webSocketMessage`, which come before both.
 *
 * The Worker's env needs `RECORD`, the D1 record database.
 */
export function ticketed<A extends Agent<Cloudflare.Env, unknown>>(
  Base: AgentClass<A>,
): AgentClass<A & Ticketed>;
export function ticketed(Base: AgentClass<Agent<Cloudflare.Env, unknown>>): typeof Base {
  return class extends Base implements Ticketed {
    readonly #sql = this.ctx.storage.sql;
    readonly #sessions = objectSessionQueries(this.#sql);
    readonly #backlog = backlogQueries(this.#sql);
    readonly #journal = createJournal(this.#sql, () => crypto.randomUUID());
    /** Admitted, but not yet accepted by the SDK: open without a socket, and rightly so. */
    readonly #opening = new Set<string>();
    readonly #requests = new WeakMap<Request, SessionPrincipal>();
    readonly #delivery = createDelivery({
      backlog: this.#backlog,
      openRecord: () => openRecord(this.env.RECORD),
      keepAlive: (work) => this.ctx.waitUntil(work),
      onFailure: async (error) => {
        // A database out of reach is not the failure of whoever is being served.
        console.error(JSON.stringify({ event: 'record_delivery_failed', error: String(error) }));
        await this.#armSweep(Date.now());
      },
    });

    constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
      super(ctx, env);
      createObjectTables(this.#sql);
      this.#endLost(Date.now());
    }

    override async fetch(request: Request): Promise<Response> {
      const handover = readHandover(request.cf);
      if (handover === undefined) return denialAnswer({ reason: 'claims_missing' });
      if (!isDestination(handover.claims, this.env, this.ctx.id))
        return denialAnswer({ reason: 'destination_wrong' });
      return isUpgrade(request.headers)
        ? this.#openSocket(request, handover)
        : this.#answer(request, handover);
    }

    override async webSocketMessage(ws: WebSocket, frame: string | ArrayBuffer): Promise<void> {
      const now = Date.now();
      const session = this.#sessionOf(ws);
      if (session === undefined) return this.#close(ws, 'claims_missing');
      if (session.endedAt !== null) return this.#close(ws, 'session_terminated');
      if (session.expiresAt <= now) return this.#expire(session, now);

      const need = frameNeed(frame);
      if (need.scope === undefined || !covers(claimsOf(session).scope, need.scope)) {
        const details =
          need.kind === 'rpc'
            ? { frame: need.kind, method: need.method.slice(0, 128) }
            : { frame: need.kind };
        this.#journal.session('rpc.denied', session, now, 'frame_scope_missing', details);
        this.#delivery.start();
        const refusal = refusalFrame(need);
        if (refusal !== undefined) ws.send(refusal);
        return;
      }
      await this.lifecycle.webSocketMessage(ws, frame);
    }

    override async webSocketClose(
      ws: WebSocket,
      code: number,
      reason: string,
      wasClean: boolean,
    ): Promise<void> {
      const session = this.#sessionOf(ws);
      if (session !== undefined) this.#end(session.id, 'client_closed', Date.now(), { code });
      await this.lifecycle.webSocketClose(ws, code, reason, wasClean);
    }

    override async webSocketError(ws: WebSocket, error: unknown): Promise<void> {
      const session = this.#sessionOf(ws);
      if (session !== undefined) this.#end(session.id, 'connection_lost', Date.now());
      await this.lifecycle.webSocketError(ws, error);
    }

    override async getConnectionTags(connection: Connection, _context: ConnectionContext): Promise<string[]> {
      const session = this.#sessions.find(connection.id);
      if (session === undefined) return [];
      return [`sid:${session.id}`, await principalTag(claimsOf(session).sub)];
    }

    override shouldSendProtocolMessages(connection: Connection, context: ConnectionContext): boolean {
      const session = this.#sessions.find(connection.id);
      const mayRead = session !== undefined && covers(claimsOf(session).scope, STATE_READ);
      return mayRead && super.shouldSendProtocolMessages(connection, context);
    }

    principal(): SessionPrincipal {
      const { connection, request } = getCurrentAgent();
      const ofRequest = request === undefined ? undefined : this.#requests.get(request);
      if (ofRequest !== undefined) return ofRequest;
      const session = connection === undefined ? undefined : this.#sessions.find(connection.id);
      if (session === undefined)
        throw new Error('principal() is only known while a frame or request is handled');
      return principalOf(claimsOf(session), session.id);
    }

    /** Ends what is over, forgets what is old, delivers what waits. Called by the SDK's scheduler. */
    async ticketSweep(): Promise<void> {
      const now = Date.now();
      for (const session of this.#sessions.listOpen())
        if (session.expiresAt <= now) this.#expire(session, now);
      this.#endLost(now);
      burnQueries(this.#sql).purge(Math.floor(now / 1000) - CLOCK_SKEW_SECONDS - BURN_KEPT_SECONDS);
      this.#sessions.purge(now - ENDED_KEPT_MS);
      this.#delivery.start();
      await this.#armSweep(now);
    }

    async #openSocket(request: Request, handover: Handover): Promise<Response> {
      const admitted = admit(this.#sql, this.#journal, handover, Date.now());
      this.#delivery.start();
      if (!admitted.ok) return denialAnswer(admitted.denial);

      const { id } = admitted.value;
      this.#opening.add(id);
      const answer = await super.fetch(sdkRequest(request)).finally(() => this.#opening.delete(id));
      if (answer.status !== 101) return this.#abandon(id);
      await this.#armSweep(Date.now());
      // Whoever ended the session while the agent was starting found no socket to close.
      if (this.#sessions.find(id)?.endedAt !== null) this.#closeSockets(id, 'session_terminated');
      return answer;
    }

    /** The agent threw while it opened the connection, or declined it: nothing of what it said leaves here. */
    #abandon(id: string): Response {
      this.#end(id, 'agent_failed', Date.now());
      this.#closeSockets(id, 'agent_failed');
      return denialAnswer({ reason: 'agent_failed' });
    }

    async #answer(request: Request, { claims }: Handover): Promise<Response> {
      if (Date.now() / 1000 >= claims.exp + CLOCK_SKEW_SECONDS)
        return denialAnswer({ reason: 'ticket_expired' });
      if (this.#sessions.isOver(claims.jti)) return denialAnswer({ reason: 'session_terminated' });
      const inner = sdkRequest(request);
      this.#requests.set(inner, principalOf(claims));
      const answer = await super.fetch(inner);
      // The SDK answers an exception with its stack.
      if (answer.status >= 500) return denialAnswer({ reason: 'agent_failed' });
      const streams = (answer.headers.get('content-type') ?? '').startsWith('text/event-stream');
      return streams ? denialAnswer({ reason: 'streaming_not_admitted' }) : answer;
    }

    #sessionOf(ws: WebSocket): ObjectSession | undefined {
      const id = sessionIdOf(this.ctx.getTags(ws));
      return id === undefined ? undefined : this.#sessions.find(id);
    }

    #expire(session: ObjectSession, now: number): void {
      this.#end(session.id, 'session_expired', now);
      this.#closeSockets(session.id, 'session_expired');
    }

    #closeSockets(id: string, reason: DenialReason): void {
      for (const ws of this.ctx.getWebSockets(id)) this.#close(ws, reason);
    }

    #close(ws: WebSocket, why: DenialReason): void {
      const { code, reason } = closeFace({ reason: why });
      ws.close(code, reason);
    }

    #end(id: string, reason: string, now: number, details?: Readonly<Record<string, number>>): void {
      const ended = this.#sessions.end(id, reason, now);
      if (ended === undefined) return;
      this.#journal.session('session.closed', ended, now, reason, details);
      this.#delivery.start();
    }

    /** Sessions whose socket died with an earlier life of this object: a crash or a deploy tells nobody. */
    #endLost(now: number): void {
      for (const { id } of this.#sessions.listOpen()) {
        if (!this.#opening.has(id) && this.ctx.getWebSockets(id).length === 0)
          this.#end(id, 'connection_lost', now);
      }
    }

    /** Sees to it that the next sweep comes in time: at the next expiry, or soon while facts wait. */
    async #armSweep(now: number): Promise<void> {
      const expiry = this.#sessions.nextExpiry();
      const retry = this.#backlog.count() > 0 ? now + RETRY_MS : undefined;
      const due = Math.min(expiry ?? Number.POSITIVE_INFINITY, retry ?? Number.POSITIVE_INFINITY);
      if (due === Number.POSITIVE_INFINITY) return;
      const at = Math.max(due, now) + SCHEDULE_STEP_MS;
      const planned = this.getSchedules().some(
        (s) => s.callback === SWEEP && s.time * 1000 <= at && s.time * 1000 > now,
      );
      if (!planned) await this.schedule(new Date(at), SWEEP);
    }
  };
}

const SWEEP = 'ticketSweep';
