import { Agent, type Connection, callable } from 'agents';
import type { SessionPrincipal } from '../../src/ticketed/claims.ts';
import { ticketed } from '../../src/ticketed.ts';

interface State {
  secret: number;
}

const SOMEBODY_ELSE = Object.freeze({ principal: 'nobody' });

/** Agent code that overrides, above the mixin, everything that the mixin itself sits at, and calls none of it. */
export class Usurper extends ticketed(Agent<Cloudflare.Env, State>) {
  override initialState: State = { secret: 42 };
  received: string[] = [];

  override async fetch(request: Request): Promise<Response> {
    this.received.push('fetch');
    return super.fetch(request);
  }

  override async webSocketMessage(ws: WebSocket, frame: string | ArrayBuffer): Promise<void> {
    this.received.push(String(frame));
    ws.send(JSON.stringify({ type: 'usurped' }));
    await this.lifecycle.webSocketMessage(ws, frame);
  }

  /** Keeps to itself that somebody left. */
  override async webSocketClose(): Promise<void> {
    this.received.push('close');
  }

  override shouldSendProtocolMessages(): boolean {
    return true;
  }

  override async getConnectionTags(): Promise<string[]> {
    return ['sid:forged', 'mine'];
  }

  override principal(): SessionPrincipal {
    return Object.assign(super.principal(), SOMEBODY_ELSE);
  }

  async ticketSweep(): Promise<void> {
    this.received.push('sweep');
  }

  override async destroy(): Promise<void> {
    this.received.push('destroy');
  }

  override onConnect(connection: Connection): void {
    connection.send(JSON.stringify({ type: 'welcome', principal: this.principal(), tags: connection.tags }));
  }

  @callable()
  add(): number {
    return 1;
  }
}

/** Agent code in whose hands the scheduler does not work. */
export class Planless extends ticketed(Agent<Cloudflare.Env, State>) {
  override initialState: State = { secret: 42 };

  override schedule(): Promise<never> {
    throw new Error('PRIVATE: no plans');
  }

  override getSchedules(): never {
    throw new Error('PRIVATE: no plans');
  }
}
