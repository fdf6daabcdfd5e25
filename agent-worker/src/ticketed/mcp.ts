import { mcpSessionStore } from '@agent-ticket/drizzle/object/mcp-sessions.ts';
import { isAnonymous } from '@agent-ticket/shared/anonymous.ts';
import { AgentSlug } from '@agent-ticket/shared/names.ts';
import type { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import {
  denialAnswer,
  findNamespace,
  type Handover,
  isDestination,
  isUpgrade,
  type McpStep,
  mcpRequest,
} from '../handover.ts';
import { singleAnswer } from '../single-answer.ts';
import { principalOf, type SessionPrincipal } from './claims.ts';

/**
 * MCP servers made with the SDK's `McpAgent`. The SDK gives each session of MCP an object of its own, named after the
 * transport and the id of the session, which a worker reaches through the class's static `serve`. Here the instance that
 * a ticket names does that: it admits each request like any other, and only then serves it. So revocations, ends and the
 * record of sessions are those of the instance, and a session's object is reached by nobody else.
 */

type TransportName = 'streamable-http' | 'sse';

/** What is used of the SDK's `McpAgent`. */
interface McpClass {
  serve(
    path: string,
    options: { readonly binding: string; readonly transport: TransportName },
  ): { fetch(request: Request, env: object, ctx: object): Promise<Response> };
}

export const isMcpClass = (value: object): value is McpClass =>
  'serve' in value && typeof value.serve === 'function';

/** Whether an object is that of a session: no instance's name has a colon. */
export const isMcpSession = ({ name }: DurableObjectId): boolean => name?.includes(':') === true;

/** Sessions of one principal on one instance; with one more, the one that was not used for longest is deleted. */
const SESSIONS_PER_PRINCIPAL = 64;
/** The same for all callers without a name together: their principals are new with each ticket. */
const ANONYMOUS_SESSIONS = 512;

const BINDING = 'MCP';

interface McpPorts {
  readonly sql: SqlStorage;
  readonly env: object;
  readonly clock: () => number;
  /** Keeps the object alive for work that nobody waits for. */
  readonly keepAlive: (work: Promise<unknown>) => void;
}

/** What an instance does for its sessions of MCP. */
export function createMcp({ sql, env, clock, keepAlive }: McpPorts) {
  const sessions = mcpSessionStore(sql);

  const stubOf = (agent: string, name: string): DurableObjectStub => {
    const stub = findNamespace(env, agent)?.getByName(name);
    if (stub === undefined) throw new Error(`no binding for ${agent}`);
    return stub;
  };

  /** Deletes a session with all that it holds. It stays noted where that fails, so that it is deleted later. */
  async function end(agent: TicketClaims['agent'], name: string): Promise<void> {
    await stubOf(agent, name).fetch(mcpRequest(emptyRequest(), { op: 'end', agent, name }));
    sessions.remove(name);
  }

  return {
    endAll: async (): Promise<void> => {
      await Promise.all(sessions.all().map(({ agent, name }) => end(AgentSlug.parse(agent), name)));
    },

    /** Serves one admitted request. A session that its caller has not opened is answered like one that never was. */
    async answer(mcpClass: McpClass, request: Request, { claims }: Handover): Promise<Response> {
      const { agent } = claims;
      const url = new URL(request.url);
      const transport = transportOf(url.pathname);
      // The SDK takes an upgrade for a GET: the stream in its answer would be nobody's, and its session stay.
      if (transport === undefined || isUpgrade(request.headers)) return new Response(null, { status: 404 });
      const opensStream = transport === 'sse' && request.method === 'GET';
      // A stream of the older transport is a new session, whose id is not the client's to choose.
      if (opensStream) url.searchParams.delete(SSE_SESSION);
      const given =
        transport === 'sse' ? url.searchParams.get(SSE_SESSION) : request.headers.get(HTTP_SESSION);
      const known = given === null ? undefined : `${transport}:${given}`;
      const owner = isAnonymous(claims.sub) ? 'anonymous' : claims.sub;
      if (known !== undefined && !sessions.use(known, owner, clock())) return sessionNotFound();
      if (known !== undefined && transport === 'streamable-http' && request.method === 'DELETE') {
        await end(agent, known);
        return new Response(null, { status: 204 });
      }

      const reached: { name?: string; readonly sockets: WebSocket[] } = { sockets: [] };
      const most = owner === claims.sub ? SESSIONS_PER_PRINCIPAL : ANONYMOUS_SESSIONS;
      const namespace = findNamespace(env, agent);
      /** The binding as the SDK sees it: what it sends to a session goes with the claims of this request. */
      const binding = {
        newUniqueId: () => namespace?.newUniqueId(),
        idFromName: (name: string) => name,
        get(name: string): DurableObjectStub {
          reached.name = name;
          if (name !== known)
            for (const old of sessions.open(name, agent, owner, clock(), most))
              keepAlive(end(agent, old.name));
          return withClaims(stubOf(agent, name), { agent, name, claims }, reached.sockets);
        },
      };
      const path = url.pathname.split('/').slice(0, PATH_SEGMENTS).join('/');
      const answer = await mcpClass
        .serve(path, { binding: BINDING, transport })
        // Who opened a session does not change; the rights of each message are those of its ticket.
        .fetch(new Request(url, request), { [BINDING]: binding }, { props: { principal: owner } });
      const closed = new Response(
        endingWith(answer.body, () => {
          for (const socket of reached.sockets)
            if (socket.readyState === WebSocket.READY_STATE_OPEN) socket.close(1000);
          if (opensStream && reached.name !== undefined) keepAlive(end(agent, reached.name));
        }),
        answer,
      );
      // The gate sends those headers, for the origins that it allows.
      for (const name of [...closed.headers.keys()])
        if (name.startsWith('access-control-')) closed.headers.delete(name);
      return request.method === 'POST' ? singleAnswer(closed) : closed;
    },
  };
}

const emptyRequest = (): Request => new Request('https://object.invalid/', { method: 'POST' });

const HTTP_SESSION = 'mcp-session-id';
const SSE_SESSION = 'sessionId';

/** `/agents/<slug>/<instance>/<endpoint>`. */
const PATH_SEGMENTS = 5;

/** The transport of a path: each has an endpoint of its own, and the older one posts below it. */
function transportOf(pathname: string): TransportName | undefined {
  const rest = pathname
    .split('/')
    .slice(PATH_SEGMENTS - 1)
    .join('/');
  if (rest === 'mcp') return 'streamable-http';
  return rest === 'sse' || rest === 'sse/message' ? 'sse' : undefined;
}

/** As the SDK answers it; a client then begins a new session. */
const sessionNotFound = (): Response =>
  Response.json(
    { jsonrpc: '2.0', error: { code: -32001, message: 'Session not found' }, id: null },
    { status: 404 },
  );

type Step = { readonly agent: TicketClaims['agent']; readonly name: string; readonly claims: TicketClaims };

/**
 * A session's object as the SDK's transports call it. Requests and messages take the claims with them; the other calls
 * only start the object and keep how it was initialized.
 */
function withClaims(stub: DurableObjectStub, step: Step, sockets: WebSocket[]): DurableObjectStub {
  const calls: Readonly<Record<string, unknown>> = {
    fetch: async (request: Request): Promise<Response> => {
      const answer = await stub.fetch(mcpRequest(request, { op: 'connect', ...step }));
      if (answer.webSocket) sockets.push(answer.webSocket);
      return answer;
    },
    onSSEMcpMessage: async (_id: string, ...message: unknown[]): Promise<Error | null> => {
      const body = JSON.stringify(message);
      const request = new Request(emptyRequest(), { body });
      const { ok } = await stub.fetch(mcpRequest(request, { op: 'message', ...step }));
      return ok ? null : new Error('not a message');
    },
  };
  return new Proxy(stub, {
    get(target, key) {
      if (typeof key === 'string' && Object.hasOwn(calls, key)) return calls[key];
      const member: unknown = Reflect.get(target, key);
      return typeof member === 'function'
        ? (...args: unknown[]): unknown => Reflect.apply(member, target, args)
        : member;
    },
  });
}

/** The same body, which says once that it is over, however that came. */
function endingWith(body: ReadableStream<Uint8Array> | null, onEnd: () => void): ReadableStream | null {
  if (body === null) return null;
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        onEnd();
        controller.close();
      } catch (error) {
        onEnd();
        throw error;
      }
    },
    cancel(reason) {
      onEnd();
      return reader.cancel(reason);
    },
  });
}

/** Whether a step is for the session of MCP that an object is. */
export const isMcpStepOf = ({ agent, name }: McpStep, env: object, id: DurableObjectId): boolean =>
  isMcpSession(id) && isDestination({ agent, instance: name }, env, id);

interface StepPorts {
  /** Whether it is for this object. */
  readonly isHere: boolean;
  /** The object of the session. */
  readonly object: object;
  readonly runAs: <T>(principal: SessionPrincipal, work: () => T) => T;
  /** The agent's answer; `undefined` when it failed. */
  readonly askAgent: () => Promise<Response | undefined>;
  readonly destroy: () => Promise<void>;
}

/** Answers a step in the object of the session. Does NOT check rights: the object that sent it has. */
export async function answerMcpStep(request: Request, step: McpStep, ports: StepPorts): Promise<Response> {
  const { isHere, object, runAs, askAgent, destroy } = ports;
  if (!isHere) return denialAnswer({ reason: 'destination_wrong' });
  if (step.op === 'end') {
    await destroy();
    return new Response(null, { status: 204 });
  }
  const caller = principalOf(step.claims);
  if (step.op === 'connect') return (await runAs(caller, askAgent)) ?? new Response(null, { status: 500 });
  const handle: unknown = Reflect.get(object, 'onSSEMcpMessage');
  if (typeof handle !== 'function') return new Response(null, { status: 404 });
  const message: unknown = await request.json();
  const args: unknown[] = Array.isArray(message) ? message : [];
  const failure: unknown = await runAs(caller, () => Reflect.apply(handle, object, [step.name, ...args]));
  return new Response(null, { status: failure === null ? 202 : 400 });
}
