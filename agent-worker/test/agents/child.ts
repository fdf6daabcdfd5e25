import { Agent, type Connection, type WSMessage } from 'agents';

/** A sub-agent without a thought for tickets: its sockets are its parent's. */
export class Child extends Agent<Cloudflare.Env, { child: boolean }> {
  override initialState = { child: true };

  override onMessage(connection: Connection, message: WSMessage): void {
    connection.send(JSON.stringify({ type: 'child', heard: String(message) }));
  }
}
