import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import { covers, STATE_READ } from '@agent-ticket/shared/scope.ts';
import type { Agent, Connection, ConnectionContext } from 'agents';
import { isUpgrade } from './gate/refuse.ts';
import { type Handover, readHandover } from './handover.ts';
import { type ControlOrder, readOrder, readRoll } from './order.ts';
import { armSweep, SWEEP } from './ticketed/alarm.ts';
import { denialAnswer } from './ticketed/answer.ts';
import { askAgent } from './ticketed/ask-agent.ts';
import { createAsking } from './ticketed/asking.ts';
import { passedOver } from './ticketed/audience.ts';
import { createCallWatch } from './ticketed/calls.ts';
import { isDestination } from './ticketed/destination.ts';
import { createDestruction } from './ticketed/destruction.ts';
import type { PlainEnd } from './ticketed/endings.ts';
import { pin, takeEntries } from './ticketed/entries.ts';
import { createKeeper } from './ticketed/keeper.ts';
import { answerClose, howLeft } from './ticketed/leaving.ts';
import { createFrameRates } from './ticketed/limits.ts';
import { answerPlain } from './ticketed/plain.ts';
import { createObjectRecord } from './ticketed/record.ts';
import { claimsOf, principalOf, type SessionPrincipal } from './ticketed/session.ts';
import { principalTag, sdkRequest, sessionIdOf } from './ticketed/socket.ts';
import { mayPass } from './ticketed/speak.ts';
import { createStreams } from './ticketed/streams.ts';
import { answerUpgrade } from './ticketed/upgrade.ts';
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
      onFacts: () => this.#record.deliver(),
    });
    readonly #record = createObjectRecord({
      env: this.env,
      object: this.ctx.id.toString(),
      keeper: this.#keeper,
      clock: () => Date.now(),
      keepAlive: (work) => this.ctx.waitUntil(work),
      retry: (withinMs) => this.#armSweep(withinMs),
      log: (event) => console.error(JSON.stringify(event)),
    });
    readonly #destruction = createDestruction({
      keeper: this.#keeper,
      streams: this.#streams,
      storage: this.ctx.storage,
      clock: () => Date.now(),
      destroy: this.destroy.bind(this),
    });
    readonly #rates = createFrameRates();
    readonly #calls = createCallWatch(() => Date.now());
    readonly #asking = createAsking(this.#keeper);
    readonly #agent = takeEntries(this);
    #isReconciled = false;

    constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
      super(ctx, env);
      const { shouldSendProtocolMessages, getConnectionTags } = this;
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
        destroy: () => this.#destruction.start(),
        principal: () => this.#asking.principal(),
        noteDenied: (code: string, details?: Readonly<Record<string, string>>) =>
          this.#asking.noteDenied(code, details),
        [SWEEP]: () => this.#sweep(),
      });
      this.#record.inherit();
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
      const answer = isUpgrade(request.headers)
        ? await this.#openSocket(request, handover)
        : await this.#answer(request, handover);
      return answer.ok ? answer.value : denialAnswer(answer.denial);
    }

    async #hear(ws: WebSocket, frame: string | ArrayBuffer): Promise<void> {
      this.#reconcile();
      const passing = await mayPass(sessionIdOf(this.ctx.getTags(ws)), ws, frame, {
        keeper: this.#keeper,
        rates: this.#rates,
        verifier: () => verifierOf(this.env),
        stands: this.#record.stands,
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
      this.#record.deliver();
      await this.#armSweep();
    }

    /** Carries out an order of the broker, which the worker has verified. */
    async #obey(order: ControlOrder): Promise<Response> {
      const destroys = order.cmd.op === 'destroy';
      // Repeated, it means what it meant at first: what came to be since is not what the owner deleted.
      if (destroys && this.#keeper.isDestroyedSince(order.before)) return Response.json({ closed: 0 });
      const closed = this.#keeper.order(order);
      if (destroys) await this.#destruction.command(order.before);
      return Response.json({ closed });
    }

    #openSocket(request: Request, handover: Handover): Promise<Outcome<Response>> {
      return answerUpgrade(handover, {
        keeper: this.#keeper,
        ask: () => askAgent(this.#agent, sdkRequest(request)),
        arm: () => this.#armSweep(),
        met: () => this.#record.met(),
      });
    }

    #answer(request: Request, handover: Handover): Promise<Outcome<Response>> {
      const inner = sdkRequest(request);
      this.#asking.note(inner, principalOf(handover.claims));
      return answerPlain(handover, {
        keeper: this.#keeper,
        streams: this.#streams,
        ask: () => askAgent(this.#agent, inner),
        admits: () =>
          this.#rates.admits(`plain ${handover.claims.sub}`, handover.limits.messagesPerSecond, Date.now()),
        stands: () => this.#record.stands(handover),
        arm: () => this.#armSweep(),
        met: () => this.#record.met(),
      });
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
