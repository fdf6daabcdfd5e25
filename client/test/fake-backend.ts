import { SUBPROTOCOL } from '@agent-ticket/shared/handshake.ts';
import { vi } from 'vitest';
import type { TicketProviderOptions } from '../src/options.ts';
import type { ClientPorts } from '../src/ports.ts';
import { FakeSocket } from './fake-socket.ts';

/** A fake broker, agent worker and page, on vitest's clock. Every mint and every socket is recorded. */

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const BROKER = 'https://broker.example.com';

/** How the broker handles a request: mints, gives another answer, fails at once, or hangs. */
type BrokerBehaviour = 'mints' | 'unreachable' | 'hangs' | (() => Response);
/** How the agent worker handles an upgrade: admits by the ticket, fails, hangs, or closes after it accepted. */
type AgentBehaviour = 'admits' | 'down' | 'hangs' | { readonly code: number; readonly reason: string };

export class FakeBackend {
  broker: BrokerBehaviour = 'mints';
  agent: AgentBehaviour = 'admits';
  /** Added to the clock that the client reads, in ms. */
  clockError = 0;
  random = 0.5;
  readonly mints: { readonly at: number; readonly url: string; readonly init: RequestInit }[] = [];
  readonly sockets: FakeSocket[] = [];
  readonly page = new FakePage();
  readonly #used = new Set<string>();
  readonly #start = Date.now();
  /** Providers of one instance share their mint schedule, so each test has an instance of its own. */
  readonly instance = `i${instances++}`;

  /** Milliseconds since its creation. */
  now = (): number => Date.now() - this.#start;

  options(more: Partial<TicketProviderOptions> = {}): TicketProviderOptions {
    return {
      broker: BROKER,
      host: 'agents.example.com',
      agent: 'counter',
      instance: this.instance,
      credential: { kind: 'session' },
      runsIn: 'browser',
      ports: this.ports(),
      ...more,
    };
  }

  ports(): ClientPorts {
    return {
      fetch: (url, init) => this.#mint(url, init),
      now: () => Date.now() + this.clockError,
      random: () => this.random,
      after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
      timeout: (ms) => {
        const abort = new AbortController();
        setTimeout(() => abort.abort(), ms);
        return abort.signal;
      },
      page: this.page,
      openSocket: (url, protocols) => {
        const socket = new FakeSocket(url, [protocols ?? []].flat());
        this.sockets.push(socket);
        setTimeout(() => this.#upgrade(socket), 20);
        return socket;
      },
    };
  }

  /** Number of mints between two times of {@link now}. */
  mintsIn(from: number, to: number): number {
    return this.mints.filter(({ at }) => at >= from && at < to).length;
  }

  /** Bodies of the mints, in order. */
  requestBodies(): unknown[] {
    return this.mints.map(({ init }) => JSON.parse(String(init.body)));
  }

  async #mint(url: string, init: RequestInit): Promise<Response> {
    this.mints.push({ at: this.now(), url, init });
    await pause(50);
    if (typeof this.broker === 'function') return this.broker();
    if (this.broker === 'unreachable' || !this.page.navigator.onLine) throw new TypeError('fetch failed');
    if (this.broker === 'hangs')
      return new Promise((_, reject) => {
        init.signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
      });
    return jsonAnswer(ticketBody(`h.t${this.mints.length}.s`, this.instance));
  }

  #upgrade(socket: FakeSocket): void {
    if (socket.readyState !== FakeSocket.CONNECTING) return;
    const ticket = socket.ticket();
    if (this.agent === 'hangs') return;
    if (this.agent === 'down' || !this.page.navigator.onLine) {
      socket.end(1006, '');
      return;
    }
    socket.open();
    if (typeof this.agent === 'object') socket.end(this.agent.code, this.agent.reason);
    else if (ticket === undefined) socket.end(4001, 'unauthorized');
    else if (this.#used.has(ticket)) socket.end(3000, 'ticket_used');
    else {
      this.#used.add(ticket);
      socket.receive({ type: 'cf_agent_identity', name: this.instance, agent: 'counter' });
    }
  }
}

let instances = 0;

type Page = ClientPorts['page'];

class FakePage implements Page {
  readonly document = { hidden: false };
  readonly navigator = { onLine: true };
  readonly location = { href: 'https://app.example.com/room?tab=1' };
  readonly #listeners = new Set<readonly [type: string, listener: (event: Event) => void]>();

  /** Number of event listeners. */
  get listeners(): number {
    return this.#listeners.size;
  }

  addEventListener(type: string, listener: (event: Event) => void): void {
    this.#listeners.add([type, listener]);
  }

  removeEventListener(type: string, listener: (event: Event) => void): void {
    for (const each of this.#listeners)
      if (each[0] === type && each[1] === listener) this.#listeners.delete(each);
  }

  dispatch(type: string): void {
    for (const [wanted, listener] of [...this.#listeners]) if (wanted === type) listener(new Event(type));
  }

  setVisible(visible: boolean): void {
    this.document.hidden = !visible;
    this.dispatch('visibilitychange');
  }

  setOnline(online: boolean): void {
    this.navigator.onLine = online;
    this.dispatch(online ? 'online' : 'offline');
  }
}

export const ticketBody = (ticket: string, instance: string) => ({
  ticket,
  expires_in: 60,
  // By a clock that differs from the client's: nothing may depend on it.
  expires_at: '2001-01-01T00:01:00.000Z',
  jti: '6f1c2a54-6f56-4a43-9f0e-8d8f1d0d7f11',
  agent: 'counter',
  instance,
  scope: 'agent:connect',
  role: 'viewer',
  session_expires_at: '2001-01-01T01:00:00.000Z',
  url: `wss://agents.example.com/agents/counter/${instance}?ticket=${ticket}`,
  protocols: [SUBPROTOCOL, ticket],
});

export const jsonAnswer = (body: unknown, status = 201, headers: HeadersInit = {}): Response =>
  Response.json(body, { status, headers });

export const refusal = (status: number, code: string) => (): Response =>
  jsonAnswer({ error: { code, message: 'no', request_id: 'r-1' } }, status, { 'x-request-id': 'r-1' });

/** Advances the fake clock. */
export const advance = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
