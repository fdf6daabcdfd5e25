import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import { covers, toolScope } from '@agent-ticket/shared/scope.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import * as z from 'zod';
import type { SessionPrincipal } from './claims.ts';

/** A function that acts for a model, or a tool as the AI SDK and its MCP clients make them. */
type ToolFunction = (...args: never[]) => unknown;
type Tools = Readonly<Record<string, object>>;

/** The same tools. A function answers a promise. */
export type Guarded<Given extends Tools> = {
  [Name in keyof Given]: Given[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : Given[Name];
};

export interface GuardOptions {
  /** Tools that may run without a caller, such as on a schedule. Default: none. */
  readonly unattended?: readonly string[];
}

/** A refusal in words for the model. It is thrown in place of the tool, and the AI SDK tells it to the model. */
class ToolRefused extends Error {
  override readonly name = 'ToolRefused';
}

type Refusal = 'tool_scope_missing' | 'tool_rights_ended' | 'tool_unapproved' | 'tool_unattended';

const TEXTS: Readonly<Record<Refusal, (tool: string) => string>> = {
  tool_scope_missing: (tool) => `Not run: the person who asks has no right to the tool ${tool}.`,
  tool_rights_ended: (tool) => `Not run: the rights of the person who asked for the tool ${tool} have ended.`,
  tool_unapproved: (tool) => `Not run: nobody is on record who approved this call of the tool ${tool}.`,
  tool_unattended: (tool) => `Not run: nobody is there who asks for the tool ${tool}.`,
};

interface SessionRights {
  rightsOf(session: string): VerifiedTicket | undefined;
  rightsOfRequest(ticket: VerifiedTicket): VerifiedTicket | undefined;
}

/** The scopes that callers have now, see {@link ToolPorts}. A caller of a plain request has its ticket. */
export const rightsOfCallers =
  (
    sessions: SessionRights,
    callers: { ticketOf(who: Asker): VerifiedTicket | undefined },
    checkRevoked: (ticket: VerifiedTicket) => Promise<Outcome<unknown>>,
  ): ToolPorts['rightsOf'] =>
  async (who) => {
    const ofRequest = callers.ticketOf(who);
    // Of a call without a ticket the registry says the rights.
    if (who.session === undefined && ofRequest === undefined) return who.scope;
    const ticket =
      who.session === undefined
        ? ofRequest && sessions.rightsOfRequest(ofRequest)
        : sessions.rightsOf(who.session);
    return ticket !== undefined && (await checkRevoked(ticket)).ok ? ticket.claims.scope : undefined;
  };

/** Whose rights count: a caller, or the session that approved. */
export type Asker =
  | SessionPrincipal
  | { readonly session: string; readonly principal?: undefined; readonly scope?: undefined };

interface ToolPorts {
  /** The caller of the frame or request that is being handled, if one is. */
  readonly caller: () => SessionPrincipal | undefined;
  /**
   * The scopes that a caller has now, by its session or the ticket of its request, or had when its client left. `undefined`:
   * they were taken away, or have expired.
   */
  readonly rightsOf: (who: Asker) => Promise<SessionPrincipal['scope'] | undefined>;
  /** The session that approved a call, once; `undefined`: none is known. */
  readonly takeApprover: (callId: string) => string | undefined;
  readonly auditDenied: (session: string, code: Refusal, details: Readonly<Record<string, string>>) => void;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** Guards the tools that a model runs for a person, by the scope `agent:tool:<name>` at the time of each run. */
export function createToolGuard({ caller, rightsOf, takeApprover, auditDenied, log }: ToolPorts) {
  async function whyRefused(
    tool: string,
    who: Asker | undefined,
    unattended: readonly string[],
  ): Promise<Refusal | undefined> {
    if (who === undefined) return unattended.includes(tool) ? undefined : 'tool_unattended';
    // A frame renews the rights of its session, and a lock ends them, while the model is at work.
    const rights = await rightsOf(who);
    if (rights === undefined) return 'tool_rights_ended';
    const needed = toolScope(tool);
    return needed !== undefined && covers(rights, needed) ? undefined : 'tool_scope_missing';
  }

  /** Whether the present caller may have a model run a tool. */
  function mayRunTool(tool: string): boolean {
    const needed = toolScope(tool);
    return needed !== undefined && covers(caller()?.scope ?? [], needed);
  }

  function guardTools<Given extends Tools>(tools: Given, options?: GuardOptions): Guarded<Given>;
  function guardTools(tools: Tools, { unattended = [] }: GuardOptions = {}): Tools {
    const asking = caller();

    async function require(tool: string, call: CallOfTool | undefined): Promise<void> {
      // For an approved call: the person who approved it. The frame that is now being handled may be another person's.
      const approver = call === undefined ? undefined : takeApprover(call.id);
      const who: Asker | undefined = approver === undefined ? (caller() ?? asking) : { session: approver };
      // A client writes the transcript, and may write that a call was approved.
      const isForged = approver === undefined && call?.isOfTranscript === true;
      const refusal = isForged ? 'tool_unapproved' : await whyRefused(tool, who, unattended);
      if (refusal === undefined) return;
      const details = { tool };
      if (who?.session === undefined)
        log({ event: 'tool_refused', reason: refusal, principal: who?.principal, tool });
      else auditDenied(who.session, refusal, details);
      throw new ToolRefused(TEXTS[refusal](tool));
    }

    /** An async generator streams its results, which the AI SDK must see before it waits for anything. */
    const guard = (name: string, run: ToolFunction, self: object, callOf = callOfTool) =>
      isAsyncGenerator(run)
        ? async function* (...args: never[]) {
            await require(name, callOf(args[1]));
            yield* Reflect.apply(run, self, args);
          }
        : async (...args: never[]): Promise<unknown> => {
            await require(name, callOf(args[1]));
            return Reflect.apply(run, self, args);
          };

    const guarded = { ...tools };
    for (const [name, tool] of Object.entries(tools)) {
      // A model writes every argument of a function: none of them names a call.
      if (isFunction(tool))
        Reflect.set(
          guarded,
          name,
          guard(name, tool, guarded, () => undefined),
        );
      else if ('execute' in tool && isFunction(tool.execute))
        Reflect.set(guarded, name, { ...tool, execute: guard(name, tool.execute, tool) });
    }
    return guarded;
  }

  return { guardTools, mayRunTool };
}

interface CallOfTool {
  readonly id: string;
  /** Whether the messages from before this turn have the call: then it runs because they say that it was approved. */
  readonly isOfTranscript: boolean;
}

/** The second argument of a tool of the AI SDK. */
const ToolOptions = z.object({
  toolCallId: z.string(),
  messages: z.array(z.object({ content: z.unknown() })).default([]),
});
const CallPart = z.object({ type: z.literal('tool-call'), toolCallId: z.string() });

function callOfTool(options: unknown): CallOfTool | undefined {
  const read = ToolOptions.safeParse(options);
  if (!read.success) return undefined;
  const { toolCallId: id, messages } = read.data;
  const parts = messages.flatMap(({ content }): unknown[] => (Array.isArray(content) ? content : []));
  return { id, isOfTranscript: parts.some((part) => CallPart.safeParse(part).data?.toolCallId === id) };
}

const isFunction = (value: unknown): value is ToolFunction => typeof value === 'function';

type AsyncGeneratorFunction = (...args: never[]) => AsyncGenerator<unknown>;
const isAsyncGenerator = (run: ToolFunction): run is AsyncGeneratorFunction =>
  Object.prototype.toString.call(run) === '[object AsyncGeneratorFunction]';
