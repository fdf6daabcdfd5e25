import type { ClientPorts } from '../src/ports.ts';

type RawSocket = ReturnType<ClientPorts['openSocket']>;

/** A WebSocket that the test controls from the server's side. */
export class FakeSocket extends EventTarget implements RawSocket {
  static readonly CONNECTING = 0;
  readonly url: string;
  readonly protocols: readonly string[];
  readonly sent: string[] = [];
  binaryType = 'blob';
  readyState = 0;

  constructor(url: string, protocols: readonly string[] = []) {
    super();
    this.url = url;
    this.protocols = protocols;
  }

  /** The ticket that it offers, in the subprotocol or the query. */
  ticket(): string | undefined {
    return this.protocols[1] ?? new URL(this.url).searchParams.get('ticket') ?? undefined;
  }

  send(data: string): void {
    this.sent.push(data);
  }

  close(code = 1005, reason = ''): void {
    if (this.readyState >= 2) return;
    this.readyState = 2;
    setTimeout(() => this.end(code, reason), 5);
  }

  open(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
  }

  receive(frame: unknown): void {
    this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify(frame) }));
  }

  end(code: number, reason: string): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    // Browsers and Node report a missing close frame like this.
    if (code === 1006) this.dispatchEvent(new Event('error'));
    this.dispatchEvent(new CloseEvent('close', { code, reason, wasClean: code !== 1006 }));
  }
}
