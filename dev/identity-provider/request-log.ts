/** One request as it came in; `path` is without the query, which may hold codes and tokens. */
export interface SeenRequest {
  method: string;
  path: string;
}

/** A development server may run for days: only the newest requests are kept. */
const MAX_SEEN_REQUESTS = 10_000;

export class RequestLog {
  readonly #seen: SeenRequest[] = [];

  add(request: SeenRequest): void {
    this.#seen.push(request);
    if (this.#seen.length > MAX_SEEN_REQUESTS) this.#seen.shift();
  }

  /** Oldest first. */
  all(): readonly SeenRequest[] {
    return [...this.#seen];
  }
}
