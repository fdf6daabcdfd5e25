import { STATEMENT_DEADLINE_MS } from '@agent-ticket/drizzle/deadline.ts';
import { createDelivery } from '@agent-ticket/drizzle/object/delivery.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import { covers, STATE_READ } from '@agent-ticket/shared/scope.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import type { Agent, Connection, ConnectionContext } from 'agents';
import { isUpgrade } from './gate/refuse.ts';
import { type Handover, readHandover } from './handover.ts';
import { type ControlOrder, readOrder, readRoll } from './order.ts';
import { armSweep, SWEEP } from './ticketed/alarm.ts';
import { denialAnswer } from './ticketed/answer.ts';
import { askAgent } from './ticketed/ask-agent.ts';
import { createAsking } from './ticketed/asking.ts';
import { passedOver } from './ticketed/audience.ts';
import { createBacklogReport } from './ticketed/backlog-report.ts';
import { createCallWatch } from './ticketed/calls.ts';
import { isDestination } from './ticketed/destination.ts';
import type { PlainEnd } from './ticketed/endings.ts';
import { pin, takeEntries } from './ticketed/entries.ts';
import { createKeeper } from './ticketed/keeper.ts';
import { answerClose, howLeft } from './ticketed/leaving.ts';
import { createFrameRates } from './ticketed/limits.ts';
import { answerPlain } from './ticketed/plain.ts';
import { claimsOf, principalOf, type SessionPrincipal } from './ticketed/session.ts';
import { principalTag, sdkRequest, sessionIdOf } from './ticketed/socket.ts';
import { mayPass } from './ticketed/speak.ts';
import { stands } from './ticketed/stands.ts';
import { createStreams } from './ticketed/streams.ts';
import { keepTombstone } from './ticketed/tombstone.ts';
import { verifierOf } from './verifier.ts';

/** An Agents SDK class: `Agent` itself, or anything that extends it. */
type AgentClass<A> = new (ctx: DurableObjectState, env: Cloudflare.Env) => A;

/** What {@link ticketed} adds for agent code. */
export interface Ticketed {
  /**
   * Who is behind the frame or request being handled. Throws an `Error` outside of one, so that code which runs on
   * a schedule never takes somebody's rights.
   */
  principal(): SessionPrincipal;
  /**
   * Puts into the audit log (`rpc.denied`) that agent code refused whoever is behind the frame being handled. `code`
   * says why, in snake_case; of each detail the first 128 characters are kept. Throws an `Error` outside of a frame.
   */
  noteDenied(code: string, details?: Readonly<Record<string, string>>): void;
}

/** How soon facts are offered to the record database again after it refused them. */
const RETRY_MS = 5_000;

/**
 * Puts the ticket between the network and an agent: admission before any of its code runs, scopes on every inbound
 * frame, an end to every session. Without verified claims from the gate it refuses everything.
 *
 * The SDK speaks to a connection (identity, full state) before `onConnect`, and handles calls and state before
 * `onMessage`, so this sits at the object's entries, which come before both. It is put there on each object, around
 * whatever the class has: an agent may override `fetch`, `webSocketMessage` and the rest, and its code runs inside. A
 * class field of such a name throws a `TypeError` when the object is made.
 *
 * The Worker's env needs `RECORD`, the D1 record database, and the settings of the gate.
 */
export function ticketed<A extends Agent<Cloudflare.Env, unknown>>(
  Base: AgentClass<A>,
): AgentClass<A & Ticketed>;
export function ticketed(Base: AgentClass<Agent<Cloudflare.Env, unknown>>): typeof Base {
  return class extends Base implements Ticketed {
    readonly #streams = createStreams((everyMs, work) => {
      const timer = setInterval(work, everyMs);
      return () => clearInterval(timer);
    });
    readonly #keeper = createKeeper({
      sql: this.ctx.storage.sql,
      sockets: (id) => this.ctx.getWebSockets(id),
      streams: this.#streams,
      clock: () => Date.now(),
      randomId: () => crypto.randomUUID(),
      endsReplayed: () => verifierOf(this.env).config.endsReplayed,
      onFacts: () => this.#delivery.start(),
    });
    readonly #backlogReport = createBacklogReport({
      env: this.env,
      object: this.ctx.id.toString(),
      backlog: this.#keeper.backlog,
      clock: () => Date.now(),
      keepAlive: (work) => this.ctx.waitUntil(work),
      log: (event) => console.error(JSON.stringify(event)),
    });
    readonly #delivery = createDelivery({
      backlog: this.#keeper.backlog,
      openRecord: () => openRecord(this.env.RECORD),
      clock: () => Date.now(),
      onStopped: (sessions) => {
        for (const { id, why } of sessions) this.#keeper.refuse(id, why);
      },
      keepAlive: (work) => this.ctx.waitUntil(work),
      onSetAside: (fact) => console.error(JSON.stringify({ event: 'fact_set_aside', ...fact })),
      onFailure: async (error) => {
        // A database out of reach is not the failure of whoever is being served.
        const waiting = this.#keeper.backlog.count();
        console.error(
          JSON.stringify({ event: 'record_delivery_failed', waiting, error: describeError(error) }),
        );
        this.#backlogReport.failed();
        await this.#armSweep(RETRY_MS);
      },
      onDrained: () => this.#backlogReport.delivered(),
    });
    readonly #rates = createFrameRates();
    readonly #calls = createCallWatch(() => Date.now());
    readonly #asking = createAsking(this.#keeper);
    readonly #agent = takeEntries(this);
    #isReconciled = false;
    #destroying: Promise<void> | undefined;
    /** When the broker was asked to delete this object, in ms by its clock; 0: it was not. */
    #destroyedBy = 0;

    constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
      super(ctx, env);
      const { shouldSendProtocolMessages, getConnectionTags, destroy } = this;
      pin(this, {
        fetch: (request: Request) => this.#enter(request),
        webSocketMessage: (ws: WebSocket, frame: string | ArrayBuffer) => this.#hear(ws, frame),
        webSocketClose: (ws: WebSocket, code: number, reason: string, wasClean: boolean) => {
          this.#left(ws, howLeft(code), { code });
          return answerClose(ws, code, reason, () => this.#agent.webSocketClose(ws, code, reason, wasClean));
        },
        webSocketError: (ws: WebSocket, error: unknown) => {
          this.#left(ws, 'connection_lost');
          return this.#agent.webSocketError(ws, error);
        },
        shouldSendProtocolMessages: (connection: Connection, context: ConnectionContext) =>
          this.#mayRead(connection) && shouldSendProtocolMessages.call(this, connection, context),
        getConnectionTags: async (connection: Connection, context: ConnectionContext) => [
          ...(await this.#tags(connection)),
          ...(await getConnectionTags.call(this, connection, context)),
        ],
        destroy: () => {
          this.#destroying ??= this.#destroy(() => destroy.call(this));
          return this.#destroying;
        },
        principal: () => this.#asking.principal(),
        noteDenied: (code: string, details?: Readonly<Record<string, string>>) =>
          this.#asking.noteDenied(code, details),
        [SWEEP]: () => this.#sweep(),
      });
      // What an earlier life left may have no other occasion.
      if (this.#keeper.isWaiting()) {
        this.#backlogReport.inherited();
        this.#delivery.start();
      }
    }

    /** For the types: each object has its own, put there by the constructor. */
    principal(): SessionPrincipal {
      return this.#asking.principal();
    }

    noteDenied(code: string, details?: Readonly<Record<string, string>>): void {
      this.#asking.noteDenied(code, details);
    }

    /** An answer in progress goes on while sessions end: it must not reach them, nor stop for the others. */
    override broadcast(
      message: string | ArrayBuffer | ArrayBufferView,
      without: readonly string[] = [],
    ): void {
      const sessions = this.ctx.getWebSockets().map((ws) => sessionIdOf(this.ctx.getTags(ws)) ?? '');
      super.broadcast(message, [...without, ...passedOver(message, sessions, this.#keeper)]);
    }

    /** Called by the SDK's scheduler when something is due. */
    ticketSweep(): Promise<void> {
      return this.#sweep();
    }

    async #enter(request: Request): Promise<Response> {
      const order = readOrder(request.cf);
      if (order !== undefined) return this.#obey(order);
      const roll = readRoll(request.cf);
      if (roll !== undefined) return Response.json(this.#keeper.callRoll(roll));
      const handover = readHandover(request.cf);
      if (handover === undefined) return denialAnswer({ reason: 'claims_missing' });
      if (!isDestination(handover.claims, this.env, this.ctx.id))
        return denialAnswer({ reason: 'destination_wrong' });
      this.#reconcile();
      return isUpgrade(request.headers)
        ? this.#openSocket(request, handover)
        : this.#answer(request, handover);
    }

    async #hear(ws: WebSocket, frame: string | ArrayBuffer): Promise<void> {
      this.#reconcile();
      const passing = await mayPass(sessionIdOf(this.ctx.getTags(ws)), ws, frame, {
        keeper: this.#keeper,
        rates: this.#rates,
        verifier: () => verifierOf(this.env),
        stands: (ticket) => this.#stands(ticket),
        clock: () => Date.now(),
        onPlanned: () => this.#armSweep(),
        log: (event) => console.log(JSON.stringify(event)),
      });
      if (passing === undefined) return;
      const run = () => this.#agent.webSocketMessage(ws, frame);
      if (passing.call === undefined) return run();
      this.#keeper.called(passing.session.id, await this.#calls.follow(ws, passing.call, run));
    }

    #mayRead(connection: Connection): boolean {
      const session = this.#keeper.find(connection.id);
      return session !== undefined && covers(claimsOf(session).scope, STATE_READ);
    }

    async #tags(connection: Connection): Promise<string[]> {
      const session = this.#keeper.find(connection.id);
      return session === undefined ? [] : [`sid:${session.id}`, await principalTag(session.principal)];
    }

    async #sweep(): Promise<void> {
      this.#keeper.sweep();
      this.#delivery.start();
      await this.#armSweep();
    }

    /** Carries out an order of the broker, which the worker has verified. */
    async #obey(order: ControlOrder): Promise<Response> {
      const destroys = order.cmd.op === 'destroy';
      // Repeated, it means what it meant at first: what came to be since is not what the owner deleted.
      if (destroys && this.#keeper.isDestroyedSince(order.before)) return Response.json({ closed: 0 });
      const closed = this.#keeper.order(order);
      if (destroys) {
        this.#destroyedBy = order.before;
        await this.destroy();
      }
      return Response.json({ closed });
    }

    async #openSocket(request: Request, handover: Handover): Promise<Response> {
      const admitted = this.#keeper.admit(handover);
      if (!admitted.ok) {
        // A replay is told of a little later.
        await this.#armSweep();
        return denialAnswer(admitted.denial);
      }
      await this.#met();
      const { id } = admitted.value;
      const answer = this.#keeper.isOpen(id) ? await askAgent(this.#agent, sdkRequest(request)) : undefined;
      // Whatever the agent said instead of accepting stays inside. Without a sweep no silent session would ever end.
      const accepted = answer?.status === 101 && (await this.#armSweep());
      const why = this.#keeper.opened(id, accepted);
      // An accepted socket is closed by now with its reason, which only its client can read.
      return accepted ? answer : denialAnswer(why ?? { reason: 'agent_failed' });
    }

    /**
     * Has a session that was just opened meet the locks and recalls of the record database before its agent hears of it. A
     * database that does not answer keeps nobody out: such a session meets them when it does.
     */
    #met(): Promise<void> {
      return this.#delivery.caughtUp(STATEMENT_DEADLINE_MS);
    }

    #stands(ticket: VerifiedTicket): Promise<Outcome<undefined>> {
      return stands(ticket, openRecord(this.env.RECORD, STATEMENT_DEADLINE_MS), Date.now());
    }

    async #answer(request: Request, handover: Handover): Promise<Response> {
      const inner = sdkRequest(request);
      this.#asking.note(inner, principalOf(handover.claims));
      const answer = await answerPlain(handover, {
        keeper: this.#keeper,
        streams: this.#streams,
        ask: () => askAgent(this.#agent, inner),
        admits: () =>
          this.#rates.admits(`plain ${handover.claims.sub}`, handover.limits.messagesPerSecond, Date.now()),
        stands: () => this.#stands(handover),
        arm: () => this.#armSweep(),
        met: () => this.#met(),
      });
      return answer.ok ? answer.value : denialAnswer(answer.denial);
    }

    async #destroy(destroy: () => Promise<void>): Promise<void> {
      for (const id of this.#keeper.openIds()) {
        this.#streams.cut(id);
        this.#keeper.end(id, 'destroyed');
      }
      this.#keeper.releaseReplays(Number.POSITIVE_INFINITY);
      // By whichever clock is ahead, so that no ticket from before the command is younger than the tombstone.
      keepTombstone(this.ctx.storage, Math.max(Date.now(), this.#destroyedBy));
      try {
        await destroy();
      } finally {
        this.#destroying = undefined;
      }
    }

    #left(ws: WebSocket, reason: PlainEnd, details?: { readonly code: number }): void {
      const id = sessionIdOf(this.ctx.getTags(ws));
      if (id !== undefined) {
        this.#rates.forget(id);
        this.#keeper.end(id, reason, details);
      }
      this.#reconcile();
    }

    /** Once in a life, after the session of the first event has been seen to: a close may be what woke the object. */
    #reconcile(): void {
      if (!this.#isReconciled) this.#keeper.endLost();
      this.#isReconciled = true;
    }

    /** Sees to it that the next sweep comes when something is due, or after `withinMs` at the latest. */
    #armSweep(withinMs = Number.POSITIVE_INFINITY): Promise<boolean> {
      const now = Date.now();
      const due = Math.min(this.#keeper.nextDue(), now + withinMs);
      return armSweep({ list: () => this.getSchedules(), add: (at) => this.schedule(at, SWEEP) }, due, now);
    }
  };
}
