import { Agent, type Connection, type ConnectionContext, callable, type WSMessage } from 'agents';
import { ticketed } from '../../src/ticketed.ts';
import { sweepNow } from '../sweep.ts';

/** Tells its clients everything that agent code can see of them. */
export class Witness extends ticketed(Agent<Cloudflare.Env, { secret: number }>) {
  override initialState = { secret: 42 };
  props: unknown = 'never started';
  /** Frames that reached agent code. */
  heard: (string | number)[] = [];

  override async onStart(props?: unknown): Promise<void> {
    this.props = props ?? 'none';
    if (this.name.startsWith('sweeps-')) await sweepNow(this);
  }

  override onConnect(connection: Connection, { request }: ConnectionContext): void {
    if (this.name.startsWith('ended-')) {
      this
        .sql`UPDATE ticket_sessions SET ended_at = 1, end_reason = 'terminated' WHERE id = ${connection.id}`;
    }
    const [socket] = this.ctx.getWebSockets(connection.id);
    const seen = {
      type: 'seen',
      url: request.url,
      headers: Object.fromEntries(request.headers),
      cf: request.cf ?? null,
      uri: connection.uri,
      id: connection.id,
      tags: connection.tags,
      attachment: socket?.deserializeAttachment() ?? null,
      hibernates: socket !== undefined,
      props: this.props,
      principal: this.principal(),
    };
    connection.send(JSON.stringify(seen));
  }

  override onMessage(connection: Connection, message: WSMessage): void {
    this.heard.push(typeof message === 'string' ? message : byteLength(message));
    if (message === 'fail') throw new Error('PRIVATE words of the agent');
    connection.send(JSON.stringify({ type: 'heard', principal: this.principal() }));
  }

  override async onRequest(request: Request): Promise<Response> {
    if (request.url.includes('/throw')) throw new Error('PRIVATE words of the agent');
    if (request.url.includes('/stream')) {
      return new Response('data: 1\n\n', { headers: { 'content-type': 'text/event-stream' } });
    }
    if (request.url.includes('/body')) return Response.json({ length: (await request.text()).length });
    return Response.json({
      url: request.url,
      headers: Object.fromEntries(request.headers),
      principal: this.principal(),
    });
  }

  @callable()
  echo(value: unknown): unknown {
    return value;
  }

  @callable()
  forgetMe(): void {
    for (const connection of this.getConnections())
      connection.setState({ principal: 'auth0:x:somebody-else' });
  }

  @callable()
  whoami() {
    return this.principal();
  }
}

const byteLength = (message: ArrayBuffer | ArrayBufferView): number => message.byteLength;
