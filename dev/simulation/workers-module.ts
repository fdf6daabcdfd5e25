/** The parts of the `cloudflare:…` modules of the Workers runtime that the product and the Agents SDK import. */

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

/** No code that the simulation runs reads these. */
export const env = {};
export const exports = {};

export const waitUntil = (work: Promise<unknown>): void => void work.catch(() => {});
