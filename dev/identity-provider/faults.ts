import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** How a path misbehaves. With a status or a body it answers just that; with a delay alone it is only slow. */
export interface Fault {
  /** Default 200. */
  status?: number;
  /** Default empty. */
  body?: string;
  delayMs?: number;
}

export class Faults {
  readonly #byPath = new Map<string, Fault>();

  /** `path` may also be a whole URL, of which only the path counts. */
  set(path: string, fault: Fault | null): void {
    const { pathname } = new URL(path, 'http://any.test');
    if (fault) this.#byPath.set(pathname, fault);
    else this.#byPath.delete(pathname);
  }

  /** True when the fault has answered; rejects when `stop` is aborted during a delay. */
  async strike(path: string, response: ServerResponse, stop: AbortSignal): Promise<boolean> {
    const fault = this.#byPath.get(path);
    if (!fault) return false;
    if (fault.delayMs !== undefined) await delay(fault.delayMs, undefined, { signal: stop });
    if (fault.status === undefined && fault.body === undefined) return false;
    const body = fault.body ?? '';
    const type = body.trimStart().startsWith('<') ? 'text/html; charset=utf-8' : 'application/json';
    response.writeHead(fault.status ?? 200, { 'content-type': type });
    response.end(body);
    return true;
  }
}
