import { objectSessionStore } from '@agent-ticket/drizzle/object/sessions.ts';
import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import type { Agent, Connection, ConnectionContext } from 'agents';
import {
  denialAnswer,
  type Handover,
  isDestination,
  isUpgrade,
  type ObjectCommand,
  readCommand,
  readHandover,
  readMcpStep,
  readQuestion,
  readTicketless,
} from './handover.ts';
import { checkRevokedOf } from './revocations.ts';
import { requestsInFlight } from './ticketed/admission.ts';
import type { AbstractAgentClass, AgentClass, Ticketed } from './ticketed/api.ts';
import { createApprovals } from './ticketed/approvals.ts';
import { createAudit, measureIn } from './ticketed/audit.ts';
import { createCaller } from './ticketed/caller.ts';
import { createCalls } from './ticketed/calls.ts';
import { principalOf } from './ticketed/claims.ts';
import { createCommands } from './ticketed/commands.ts';
import { createDestruction, noteBlank } from './ticketed/destruction.ts';
import { answerClose, type PlainEnd, plainEndOf } from './ticketed/ends.ts';
import { skippedByBroadcast } from './ticketed/frames.ts';
import { type AllowedFrame, answerPings, checkFrame, ratesOf } from './ticketed/inbound.ts';
import { createFrameQueue, createInFlight, createRates } from './ticketed/limits.ts';
import { answerMcpStep, createMcp, isMcpClass, isMcpSession, isMcpStepOf } from './ticketed/mcp.ts';
import { createObjectRecord } from './ticketed/record.ts';
import { answerPlain, answerUpgrade } from './ticketed/requests.ts';
import { askAgent, pin, sdkRequest, sessionIdOf, takeEntries } from './ticketed/sdk.ts';
import { createSessions } from './ticketed/sessions.ts';
import { createStreams, later, repeat } from './ticketed/streams.ts';
import { createSweep, HANDOVER_DUE_MS, SWEEP } from './ticketed/sweep.ts';
import { createTicketless } from './ticketed/ticketless.ts';
import { createToolGuard, rightsOfCallers } from './ticketed/tools.ts';
import { verifierOf } from './verifier.ts';

type Frame = string | ArrayBuffer;

/**
 * How long an end without a refusal waits for another write, in ms: until the record has it, so that one write is
 * enough for both.
 */
const WRITE_MS = 2_000;

/**
 * Puts the ticket between the network and an agent: admission before any of its code runs, scopes on every inbound
 * frame, an end to every session. Without verified claims from the gate it refuses everything.
 *
 * The SDK sends identity and full state to a connection before `onConnect`, and handles calls and state before
 * `onMessage`, so this wraps the object's entries, which come before both. They are pinned on each object, around the
 * methods of its class: an agent may override `fetch`, `webSocketMessage` and the rest, and its code runs inside. A class
 * field of such a name throws a `TypeError` when the object is made.
 *
 * An instance of an `McpAgent` serves MCP at `/mcp` (streamable HTTP) and `/sse`: it admits the requests, and each session
 * of MCP is an object of the same class behind it.
 *
 * The Worker's env needs `RECORD`, the D1 record database, and the settings of the gate.
 */
export function ticketed<A extends Agent<Cloudflare.Env, unknown>>(
  Base: AgentClass<A>,
): AgentClass<A & Ticketed>;
export function ticketed<A extends Agent<Cloudflare.Env, unknown>>(
  Base: AbstractAgentClass<A>,
): AbstractAgentClass<A & Ticketed>;
export function ticketed(Base: AbstractAgentClass<Agent<Cloudflare.Env, unknown>>): typeof Base {
  const mcpClass = isMcpClass(Base) ? Base : undefined;
  return class extends Base {
    readonly #object = {
      sql: this.ctx.storage.sql,
      rows: objectSessionStore(this.ctx.storage.sql, (write) => later(WRITE_MS, write)),
      sockets: (id: string) => this.ctx.getWebSockets(id),
      clock: () => Date.now(),
      keepAlive: (work: Promise<unknown>) => this.ctx.waitUntil(work),
    };
    readonly #streams = createStreams(repeat);
    readonly #audit = createAudit({
      ...this.#object,
      randomId: () => crypto.randomUUID(),
      onFacts: (withinMs) => this.#noteFacts(withinMs),
      onCalls: (withinMs) => this.#record.deliverWithin(withinMs),
      later: (ms, work) => void setTimeout(work, ms),
      measure: measureIn(this.env),
    });
    readonly #sessions = createSessions({
      ...this.#object,
      audit: this.#audit,
      streams: this.#streams,
      endsReplayed: () => verifierOf(this.env).config.endsReplayed,
    });
    readonly #sweep = createSweep({
      ...this.#object,
      sessions: this.#sessions,
      audit: this.#audit,
      nextHandover: () => this.#record.nextHandover(),
      schedules: () => this.getSchedules(),
      schedule: (at) => this.schedule(at, SWEEP),
      isBeingDestroyed: () => this.#destruction.isUnderWay(),
      repeat,
    });
    readonly #record = createObjectRecord({
      ...this.#object,
      env: this.env,
      object: this.ctx.id.toString(),
      sessions: this.#sessions,
      audit: this.#audit,
      random: () => Math.random(),
      later,
      wakeBy: this.#sweep.wakeBy,
      log: (event) => console.error(JSON.stringify(event)),
    });
    readonly #mcp = createMcp({ ...this.#object, env: this.env });
    readonly #destroyAgent = this.destroy.bind(this);
    readonly #destruction = createDestruction({
      ...this.#object,
      sessions: this.#sessions,
      audit: this.#audit,
      streams: this.#streams,
      ctx: this.ctx,
      endMcpSessions: this.#mcp.endAll,
      destroy: this.#destroyAgent,
      keepsTables: !isMcpSession(this.ctx.id),
    });
    readonly #commands = createCommands({
      ...this.#object,
      sessions: this.#sessions,
      destruction: this.#destruction,
      onFacts: () => this.#noteFacts(0),
    });
    readonly #rates = createRates();
    readonly #inFlight = createInFlight();
    readonly #calls = createCalls(() => Date.now());
    readonly #caller = createCaller({
      findClaims: this.#sessions.findClaims,
      findBrowser: this.#sessions.findBrowser,
      auditDenied: this.#audit.deniedByAgent,
    });
    readonly #approvals = createApprovals(this.ctx.storage.kv, () => Reflect.get(this, 'messages'));
    readonly #tools = createToolGuard({
      takeApprover: this.#approvals.take,
      caller: this.#caller.find,
      rightsOf: rightsOfCallers(this.#sessions, this.#caller, (ticket) => this.#inbound.checkRevoked(ticket)),
      auditDenied: this.#audit.deniedByAgent,
      log: (event) => console.log(JSON.stringify(event)),
    });
    readonly #agent = takeEntries(this);
    readonly #ticketless = createTicketless({
      ...this.#object,
      ctx: this.ctx,
      env: this.env,
      audit: this.#audit,
      caller: this.#caller,
      // An MCP server takes MCP alone, by tickets.
      agent: mcpClass === undefined ? this.#agent : undefined,
      eraseBlank: this.#destruction.eraseBlank,
      sleep: (ms, signal) => scheduler.wait(ms, { signal }).catch(() => {}),
    });
    readonly #inbound = {
      ...this.#object,
      sessions: this.#sessions,
      audit: this.#audit,
      rates: this.#rates,
      queue: createFrameQueue((ms) => scheduler.wait(ms)),
      verifier: () => verifierOf(this.env),
      // Waits as a plain request does: the rights are used from the next frame on.
      checkRevoked: (ticket: VerifiedTicket) =>
        checkRevokedOf(this.env)(ticket, { waits: true, keepAlive: this.#object.keepAlive }),
      arm: () => this.#sweep.arm(),
      log: (event: Readonly<Record<string, unknown>>) => console.log(JSON.stringify(event)),
    };
    #isRecovered = false;

    constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
      noteBlank(ctx);
      super(ctx, env);
      answerPings(ctx);
      const { shouldSendProtocolMessages, getConnectionTags, onStart } = this;
      this.onStart = (props) => {
        this.#destruction.noteStarted();
        return onStart.call(this, props);
      };
      pin(this, {
        fetch: (request: Request) => this.#handleRequest(request),
        webSocketMessage: (ws: WebSocket, frame: Frame) => this.#handleFrame(ws, frame),
        webSocketClose: (ws: WebSocket, code: number, reason: string, wasClean: boolean) => {
          const close = { code, reason, wasClean };
          this.#endSession(ws, plainEndOf(close), { code });
          return answerClose(ws, close, async () => {
            if (!this.#destruction.isUnderWay()) await this.#agent.webSocketClose(ws, code, reason, wasClean);
          });
        },
        webSocketError: (ws: WebSocket, error: unknown) => {
          this.#endSession(ws, 'connection_lost');
          return this.#destruction.isUnderWay() ? undefined : this.#agent.webSocketError(ws, error);
        },
        shouldSendProtocolMessages: (connection: Connection, context: ConnectionContext) =>
          this.#sessions.mayReadState(connection.id) &&
          shouldSendProtocolMessages.call(this, connection, context),
        getConnectionTags: async (connection: Connection, context: ConnectionContext) => [
          ...(await this.#sessions.tagsOf(connection.id)),
          ...(await getConnectionTags.call(this, connection, context)),
        ],
        alarm: (info?: AlarmInvocationInfo) =>
          this.#sweep.besides(
            () => this.#agent.alarm(info),
            () => this.#runSweep(),
          ),
        destroy: () => this.#destruction.start(),
        principal: this.#caller.principal,
        noteDenied: this.#caller.noteDenied,
        ...this.#ticketless.members(this),
        ...this.#tools,
        [SWEEP]: () => this.#runSweep(),
      });
      this.#record.resume();
    }

    /**
     * Of an `McpAgent` only the sessions have a server and a transport. What it sets up for all messages of a session has
     * no caller, even if a request woke it.
     */
    override onStart(props?: Record<string, unknown>): void | Promise<void> {
      if (mcpClass !== undefined && !isMcpSession(this.ctx.id)) return;
      return this.#caller.run(undefined, () => super.onStart(props));
    }

    /** An answer in progress goes on while sessions end: it must not reach them, nor stop for the others. */
    override broadcast(message: Frame | ArrayBufferView, without: readonly string[] = []): void {
      const ids = this.ctx.getWebSockets().map((ws) => sessionIdOf(this.ctx.getTags(ws)) ?? '');
      const skipped = [...without, ...skippedByBroadcast(message, ids, this.#sessions)];
      const audience = { sessions: ids, skipped, browserOf: this.#sessions.findBrowser };
      this.#ticketless.broadcast(message, audience, (frame, others) => super.broadcast(frame, others));
    }

    override getMcpServers(): ReturnType<Agent['getMcpServers']> {
      return this.#ticketless.shownState(super.getMcpServers());
    }

    /** Called by the SDK's scheduler when something is due. */
    ticketSweep(): Promise<void> {
      return this.#runSweep();
    }

    async #handleRequest(request: Request): Promise<Response> {
      if (this.#destruction.isErased()) return denialAnswer({ reason: 'agent_worker_unavailable' });
      const command = readCommand(request.cf);
      if (command !== undefined) return this.#handleCommand(command);
      const question = readQuestion(request.cf);
      if (question !== undefined) return Response.json(this.#commands.listSessions(question));
      const step = readMcpStep(request.cf);
      if (step !== undefined)
        return answerMcpStep(request, step, {
          isHere: mcpClass !== undefined && isMcpStepOf(step, this.env, this.ctx.id),
          object: this,
          runAs: this.#caller.run,
          askAgent: () => askAgent(this.#agent, sdkRequest(request)),
          destroy: this.#destroyAgent,
        });
      const call = readTicketless(request.cf);
      if (call !== undefined) return this.#ticketless.answer(request, call);
      const handover = readHandover(request.cf);
      if (handover === undefined) return denialAnswer({ reason: 'claims_missing' });
      if (!isDestination(handover.claims, this.env, this.ctx.id))
        return denialAnswer({ reason: 'destination_wrong' });
      this.#recover();
      const answer = await this.#answer(sdkRequest(request), handover);
      return answer.ok ? answer.value : denialAnswer(answer.denial);
    }

    /** A command that names an instance names this one, or another object would be deleted in its place. */
    async #handleCommand(command: ObjectCommand): Promise<Response> {
      if (command.op !== 'revoke' && !isDestination(command, this.env, this.ctx.id))
        return denialAnswer({ reason: 'destination_wrong' });
      return Response.json(await this.#commands.execute(command));
    }

    #answer(request: Request, handover: Handover): Promise<Outcome<Response>> {
      const agent =
        mcpClass === undefined ? this.#agent : { fetch: () => this.#mcp.answer(mcpClass, request, handover) };
      const ports = {
        sessions: this.#sessions,
        askAgent: () => askAgent(agent, request, handover.requestId),
        arm: this.#sweep.arm,
        armFor: this.#sweep.armFor,
      };
      if (isUpgrade(request.headers)) return answerUpgrade(handover, ports);
      const { claims, limits } = handover;
      const rate = { perSecond: limits.messagesPerSecond, burst: limits.messagesPerSecond };
      this.#caller.noteRequest(request, principalOf(claims), handover.browser, handover);
      return answerPlain(handover, {
        ...ports,
        streams: this.#streams,
        sleep: (ms, signal) => scheduler.wait(ms, { signal }),
        enter: () => this.#inFlight.enter(requestsInFlight(handover)),
        allowRate: () => this.#rates.allow(`plain ${claims.sub}`, rate, Date.now()),
      });
    }

    #handleFrame(ws: WebSocket, frame: Frame): void | Promise<void> {
      this.#recover();
      const checked = checkFrame(sessionIdOf(this.ctx.getTags(ws)), ws, frame, this.#inbound);
      if (checked instanceof Promise) return checked.then((allowed) => this.#passFrame(ws, frame, allowed));
      return this.#passFrame(ws, frame, checked);
    }

    #passFrame(ws: WebSocket, frame: Frame, allowed: AllowedFrame | undefined): void | Promise<void> {
      if (allowed === undefined) return;
      const run = () => this.#agent.webSocketMessage(ws, frame);
      const { sessionId, call, approves } = allowed;
      if (approves !== undefined) this.#approvals.note(approves, sessionId);
      if (call === undefined) return run();
      return this.#calls.follow(ws, call, run).then((outcome) => this.#audit.called(sessionId, outcome));
    }

    /** Facts wait: they are handed over soon by this life of the object, and otherwise by an alarm. */
    #noteFacts(withinMs: number): void {
      this.#record.deliverWithin(withinMs);
      this.ctx.waitUntil(this.#sweep.wakeBy(Date.now() + HANDOVER_DUE_MS));
    }

    async #runSweep(): Promise<void> {
      this.#sweep.run();
      this.#record.deliverWithin(0);
      await this.#sweep.arm();
    }

    #endSession(ws: WebSocket, reason: PlainEnd, details?: { readonly code: number }): void {
      const id = sessionIdOf(this.ctx.getTags(ws));
      if (id !== undefined) {
        this.#rates.forget(...ratesOf(id));
        this.#sessions.end(id, reason, details);
      }
      this.#recover();
    }

    /**
     * Ends what an earlier life lost, once in a life, after the session of the first event was handled: a close may be
     * what woke the object.
     */
    #recover(): void {
      if (!this.#isRecovered) this.#sessions.endLost();
      this.#isRecovered = true;
    }
  };
}
