import type { CallbackUrlOptions } from './callback-url.ts';
import type { SessionPrincipal } from './claims.ts';

/** An Agents SDK class: `Agent` itself, or anything that extends it. */
export type AgentClass<A> = new (ctx: DurableObjectState, env: Cloudflare.Env) => A;
/** The same before its abstract members are there, as the SDK's `McpAgent`. */
export type AbstractAgentClass<A> = abstract new (ctx: DurableObjectState, env: Cloudflare.Env) => A;

/** What `ticketed()` adds for agent code. */
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
   * another one, which can be locked by itself; that of a callback which the app verifies is always the same and has no
   * token. Who has the URL can use it: it is a secret.
   *
   * Throws a `TypeError` for a name that the registry does not have, and an `Error` where `CALLBACK_KEY` or
   * `AGENT_WORKER_URL` is not set or the instance has 1,000 URLs.
   */
  callbackUrl(name: string, options?: CallbackUrlOptions): Promise<string>;
}
