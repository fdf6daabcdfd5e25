import type { CallbackUrlOptions } from './callback-url.ts';
import type { SessionPrincipal } from './claims.ts';
import type { Guarded, GuardOptions } from './tools.ts';

/** An Agents SDK class: `Agent` itself, or anything that extends it. */
export type AgentClass<A> = new (ctx: DurableObjectState, env: Cloudflare.Env) => A;
/** The same before its abstract members are there, as the SDK's `McpAgent`. */
export type AbstractAgentClass<A> = abstract new (ctx: DurableObjectState, env: Cloudflare.Env) => A;

/** Members that `ticketed()` adds for agent code. */
export interface Ticketed {
  /**
   * The caller of the frame or request being handled. Throws an `Error` outside of one, so that code which runs on a
   * schedule never has the rights of a caller.
   */
  principal(): SessionPrincipal;
  /**
   * Puts into the audit log (`rpc.denied`) that agent code refused the frame being handled. `code` is the reason, in
   * snake_case; of each detail the first 128 characters are kept. Further refusals of the session with the same code in the
   * same minute are one event with their number. Throws an `Error` outside of a frame.
   */
  noteDenied(code: string, details?: Readonly<Record<string, string>>): void;
  /**
   * A URL by which others reach this instance without a ticket: the callback of this name in the registry. Each call makes
   * another URL, and a lock can end each alone. The URL of a callback that the app verifies is always the same and has no
   * token. The URL is a secret: everybody who has it can use it.
   *
   * Throws a `TypeError` for a name that the registry does not have, and an `Error` where `CALLBACK_KEY` or
   * `AGENT_WORKER_URL` is not set or the instance has 1,000 URLs.
   */
  callbackUrl(name: string, options?: CallbackUrlOptions): Promise<string>;
  /**
   * The same tools for a model, each of which runs only for a caller with the scope `agent:tool:<name>`: tools of the AI
   * SDK, those of MCP servers, and functions that act for the model, by the names that they have here. Call this where the
   * model gets them, while the frame or request of the caller is handled.
   *
   * The scope is checked when a tool would run. After an approval in the SDK's chat it is that of the person who approved this
   * call; otherwise that of the caller whose frame is then being handled, or of the caller at the time of this call. A session
   * whose client has left keeps its rights until they expire. A session that was ended, or whose ticket was revoked, has none.
   * The same holds for work that a plain request began. A refusal is thrown, and the AI SDK tells it to the model. The audit
   * log has it as `rpc.denied`, with the person; the refusal of a plain request is a line `tool_refused` of the log.
   *
   * Does NOT guard tools without `execute`, which run elsewhere, nor text of a model about the result of a tool. A tool
   * that streams its result must be an async generator function.
   */
  guardTools<Given extends Readonly<Record<string, object>>>(
    tools: Given,
    options?: GuardOptions,
  ): Guarded<Given>;
  /**
   * Whether the caller of the frame or request being handled has the scope `agent:tool:<name>`; `false` outside of one. For
   * agent code that asks a person for an approval: check before the question, and when the person answers.
   */
  mayRunTool(tool: string): boolean;
}
