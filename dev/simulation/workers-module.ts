/** The modules `cloudflare:…` of the Workers runtime, as far as the product and the Agents SDK import them. */

class WithEnv {
  readonly ctx: unknown;
  readonly env: unknown;
  constructor(ctx: unknown, env: unknown) {
    this.ctx = ctx;
    this.env = env;
  }
}
export class DurableObject extends WithEnv {}
export class WorkerEntrypoint extends WithEnv {}
export class RpcTarget {}
export class EmailMessage {}

/** Only calls by the worker's own code ask for these, and the simulation has none. */
export const env = {};
export const exports = {};

export const waitUntil = (work: Promise<unknown>): void => void work.catch(() => {});
