import { Agent, type Connection, callable, type WSMessage } from 'agents';
import { ticketed } from '../../src/ticketed.ts';

interface State {
  secret: number;
}

/** Agent code of someone who overrides whatever the SDK lets them, without a thought for tickets. */
export class Overrider extends ticketed(Agent<Cloudflare.Env, State>) {
  override initialState: State = { secret: 42 };
  received: string[] = [];

  /** A field: replaces what the SDK's constructor put there, calls and state included. */
  override onMessage = async (connection: Connection, message: WSMessage): Promise<void> => {
    this.received.push(String(message));
    connection.send(JSON.stringify({ type: 'received', principal: this.principal().principal }));
  };

  override async onConnect(connection: Connection): Promise<void> {
    connection.setState({ mine: true });
    connection.send(JSON.stringify({ type: 'welcome', principal: this.principal().principal }));
  }

  override async getConnectionTags(): Promise<string[]> {
    return ['mine'];
  }

  override shouldSendProtocolMessages(): boolean {
    return true;
  }
}

/** The same beneath the mixin, where its overrides lie under ours. */
class Beneath extends Agent<Cloudflare.Env, State> {
  override initialState: State = { secret: 42 };
  received: string[] = [];

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('own ping', '{"type":"own pong"}'));
  }

  override async fetch(request: Request): Promise<Response> {
    this.received.push('fetch');
    return super.fetch(request);
  }

  override onMessage(connection: Connection, message: WSMessage): void {
    this.received.push(String(message));
    connection.send(JSON.stringify({ type: 'received' }));
  }

  @callable()
  add(): number {
    this.received.push('add');
    return this.received.length;
  }
}

export class Inner extends ticketed(Beneath) {}
