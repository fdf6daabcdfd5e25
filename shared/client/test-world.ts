import { vi } from 'vitest';
import { SUBPROTOCOL } from '../src/handshake.ts';
import type { TicketProviderOptions } from './options.ts';
import type { ClientPorts, Page } from './ports.ts';
import { FakeSocket } from './test-socket.ts';

/** A broker, an agent worker and a page for tests, on vitest's clock. Every mint and every socket is counted. */

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const BROKER = 'https://broker.example.com';

/** What the broker does with a request: mints, answers something else, does not answer, or hangs. */
export type BrokerMood = 'mints' | 'unreachable' | 'hangs' | (() => Response);
/** What the agent worker does with an upgrade: admits by the ticket, is not there, hangs, or closes what it accepted. */
export type AgentMood = 'admits' | 'down' | 'hangs' | { readonly code: number; readonly reason: string };

export class World {
  broker: BrokerMood = 'mints';
  agent: AgentMood = 'admits';
  /** Added to the clock that the client reads, in ms. */
  clockError = 0;
  random = 0.5;
  readonly mints: { readonly at: number; readonly url: string; readonly init: RequestInit }[] = [];
  readonly sockets: FakeSocket[] = [];
  readonly page = new FakePage();
  readonly #used = new Set<string>();
  readonly #start = Date.now();
  /** Providers of one instance share their pace, so each test has an instance of its own. */
  readonly instance = `i${instances++}`;

  /** Milliseconds since this world began. */
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

  /** Mints in a span of this world's time. */
  mintsIn(from: number, to: number): number {
    return this.mints.filter(({ at }) => at >= from && at < to).length;
  }

  /** Bodies of the mints, in order. */
  asked(): unknown[] {
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
    return answerWith(ticketBody(`h.t${this.mints.length}.s`, this.instance));
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
      socket.say({ type: 'cf_agent_identity', name: this.instance, agent: 'counter' });
    }
  }
}

let instances = 0;

export class FakePage implements Page {
  readonly document = { hidden: false };
  readonly navigator = { onLine: true };
  readonly location = { href: 'https://app.example.com/room?tab=1' };
  readonly #listeners = new Set<readonly [type: string, heard: (event: Event) => void]>();

  /** How many somebodies listen. */
  get listeners(): number {
    return this.#listeners.size;
  }

  addEventListener(type: string, heard: (event: Event) => void): void {
    this.#listeners.add([type, heard]);
  }

  removeEventListener(type: string, heard: (event: Event) => void): void {
    for (const each of this.#listeners)
      if (each[0] === type && each[1] === heard) this.#listeners.delete(each);
  }

  dispatch(type: string): void {
    for (const [wanted, heard] of [...this.#listeners]) if (wanted === type) heard(new Event(type));
  }

  show(shown: boolean): void {
    this.document.hidden = !shown;
    this.dispatch('visibilitychange');
  }

  connect(online: boolean): void {
    this.navigator.onLine = online;
    this.dispatch(online ? 'online' : 'offline');
  }
}

export const ticketBody = (ticket: string, instance: string) => ({
  ticket,
  expires_in: 60,
  // By a clock that nobody shares: nothing may depend on it.
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

export const answerWith = (body: unknown, status = 201, headers: HeadersInit = {}): Response =>
  Response.json(body, { status, headers });

export const refusal = (status: number, code: string) => (): Response =>
  answerWith({ error: { code, message: 'no', request_id: 'r-1' } }, status, { 'x-request-id': 'r-1' });

/** Lets time pass. */
export const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
