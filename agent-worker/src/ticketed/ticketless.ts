import { burnStore } from '@agent-ticket/drizzle/object/burns.ts';
import { callbackStore } from '@agent-ticket/drizzle/object/callbacks.ts';
import { objectRevocationStore } from '@agent-ticket/drizzle/object/revocations.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { Agent } from 'agents';
import { denialAnswer, isDestination, type TicketlessCall, targetNamesOfTicketless } from '../handover.ts';
import { verifierOf } from '../verifier.ts';
import type { Audit } from './audit.ts';
import { type CallbackUrlOptions, makeCallbackUrl } from './callback-url.ts';
import type { Caller } from './caller.ts';
import { createMcpOAuth } from './mcp-oauth.ts';
import { askAgent, logFailure, sdkRequest } from './sdk.ts';

type McpMembers = Pick<Agent<Cloudflare.Env, unknown>, 'addMcpServer' | 'createMcpOAuthProvider'>;

interface TicketlessPorts {
  readonly ctx: DurableObjectState;
  readonly env: Cloudflare.Env;
  readonly audit: Pick<Audit, 'letIn'>;
  readonly caller: Pick<Caller, 'noteRequest' | 'browser' | 'runInBrowser'>;
  /** `undefined` where the agent takes tickets only. */
  readonly agent: Parameters<typeof askAgent>[0] | undefined;
  /** Empties an object that only this request has made. */
  readonly eraseBlank: () => Promise<void>;
  readonly clock: () => number;
  /** Resolves after so many ms, or when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A stream would be a session without rights. So an answer must be complete within this time and size, or is a 500. */
const ANSWER_DEADLINE_MS = 30_000;
const ANSWER_BYTES = 1024 * 1024;

/** The time for which a delivery that was handled is not handled again. */
const ONCE_SECONDS = 24 * 3600;

/** Requests without a ticket that the gate has let in: of a callback, or of the worker's own code. They open no session. */
export function createTicketless({
  ctx,
  env,
  audit,
  caller,
  agent,
  eraseBlank,
  clock,
  sleep,
}: TicketlessPorts) {
  const { sql } = ctx.storage;
  const revocations = objectRevocationStore(sql);
  const burns = burnStore(sql);
  const urls = callbackStore(sql);
  const mcpOAuth = createMcpOAuth({
    kv: ctx.storage.kv,
    env,
    id: ctx.id,
    verifier: () => verifierOf(env),
    caller,
    clock,
  });
  /** Deliveries that are being handled. */
  const running = new Set<string>();

  /** Whether the object was opened; of a URL with a token, whether it made that URL since it was last destroyed. */
  const isKnown = (callback: NonNullable<TicketlessCall['callback']>): boolean =>
    callback.id === undefined ? revocations.isOpened() : urls.has(callback.id, Math.floor(clock() / 1000));

  /** Synchronous until the agent is asked: nothing can change between a check and its consequence. */
  async function pass(
    call: TicketlessCall,
    once: string | undefined,
    askAgent: () => Promise<Response | undefined>,
  ): Promise<Outcome<Response>> {
    const names = targetNamesOfTicketless(call);
    const now = clock();
    const rights = { names, rev: Number.MAX_SAFE_INTEGER, iat: Math.floor(now / 1000) };
    const refusal = revocations.whyRefused(rights, now);
    if (refusal === 'predates_object') return err('callback_instance_unknown');
    if (refusal !== undefined) return err(refusal);
    audit.letIn(call);
    const answer = await wholeAnswer(askAgent);
    if (answer.ok && answer.value.ok && once !== undefined)
      burns.burn(once, Math.floor(clock() / 1000) + ONCE_SECONDS, call.requestId);
    return answer;
  }

  async function wholeAnswer(askAgent: () => Promise<Response | undefined>): Promise<Outcome<Response>> {
    const isOver = new AbortController();
    const late = sleep(ANSWER_DEADLINE_MS, isOver.signal).then(() => undefined);
    try {
      const asked = askAgent();
      const answer = await Promise.race([asked, late]);
      if (answer !== undefined && answer.webSocket === null) return await readWhole(answer, late);
      // An answer may still come: its source is told to stop.
      asked.then((unread) => unread?.body?.cancel()).catch(logFailure);
      return err('agent_failed');
    } finally {
      isOver.abort();
    }
  }

  async function answerOnce(
    call: TicketlessCall,
    ask: () => Promise<Response | undefined>,
  ): Promise<Outcome<Response>> {
    const { callback } = call;
    if (callback === undefined) {
      // The worker's own code may open an instance.
      revocations.noteOpened();
      return pass(call, undefined, ask);
    }
    if (!isKnown(callback)) {
      await eraseBlank();
      return err('callback_instance_unknown');
    }
    const once = callback.once === undefined ? undefined : `callback:${callback.once}`;
    if (once === undefined) return pass(call, once, ask);
    // The sender may have missed the first answer, and would repeat the request for days.
    if (burns.sessionOf(once) !== undefined) return ok(new Response(null, { status: 200 }));
    if (running.has(once)) return err('callback_in_progress');
    running.add(once);
    try {
      return await pass(call, once, ask);
    } finally {
      running.delete(once);
    }
  }

  return {
    shownState: mcpOAuth.shownState,
    broadcast: mcpOAuth.broadcast,

    async answer(request: Request, call: TicketlessCall): Promise<Response> {
      if (agent === undefined || !isDestination(call, env, ctx.id))
        return denialAnswer({ reason: 'destination_wrong' });
      const { principal, role, scope } = call;
      const asked = sdkRequest(request);
      caller.noteRequest(asked, { principal, role, tier: 'free', scope }, call.callback?.browser);
      const answer = await answerOnce(call, () =>
        caller.runInBrowser(call.callback?.browser, () => askAgent(agent, asked, call.requestId)),
      );
      return answer.ok ? answer.value : denialAnswer(answer.denial);
    },

    /** Members that are pinned on the agent, made of its own: URLs of callbacks, and MCP servers with OAuth. */
    members(object: McpMembers) {
      const { addMcpServer, createMcpOAuthProvider } = object;
      return {
        callbackUrl: (name: string, options: CallbackUrlOptions = {}): Promise<string> =>
          makeCallbackUrl(name, options, { sql, env, id: ctx.id, verifier: verifierOf(env), clock }),
        createMcpOAuthProvider: (url: string) => mcpOAuth.guard(createMcpOAuthProvider.call(object, url)),
        addMcpServer: (...args: unknown[]): unknown =>
          Reflect.apply(addMcpServer, object, mcpOAuth.withCallback(args)),
      };
    },
  };
}

/** An answer with its whole body. Where the body is too long or too late, its source is told to stop. */
async function readWhole(answer: Response, late: Promise<undefined>): Promise<Outcome<Response>> {
  if (answer.body === null) return ok(answer);
  const reader: ReadableStreamDefaultReader<Uint8Array> = answer.body.getReader();
  const parts: Uint8Array[] = [];
  try {
    for (let length = 0; length <= ANSWER_BYTES; length += parts.at(-1)?.length ?? 0) {
      const read = await Promise.race([reader.read(), late]);
      if (read === undefined) break;
      if (read.done) return ok(new Response(await new Blob(parts).arrayBuffer(), answer));
      parts.push(read.value);
    }
    await reader.cancel();
  } catch (error) {
    logFailure(error);
  }
  return err('agent_failed');
}
