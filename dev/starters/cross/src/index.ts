import { Agent, type Connection, type ConnectionContext, callable, routeAgentRequest } from 'agents';
import { KEY } from './key';

export interface Lines {
  lines: string[];
}

/** Lines that everybody sees, and words that everybody hears. */
export class Wall extends Agent<Env, Lines> {
  initialState: Lines = { lines: [] };

  async onConnect(connection: Connection, { request }: ConnectionContext) {
    if (new URL(request.url).searchParams.get('key') !== KEY) connection.close(1008, 'another key');
  }

  async onMessage(speaker: Connection, words: string) {
    for (const listener of this.getConnections())
      listener.send(`${listener.id === speaker.id ? 'I' : 'Somebody'}: ${words}`);
  }

  async onRequest(request: Request): Promise<Response> {
    if (request.headers.get('x-key') !== KEY) return new Response('another key', { status: 401 });
    if (request.method === 'DELETE') this.setState({ lines: [] });
    return Response.json({ lines: this.state.lines.length });
  }
}

export class Meter extends Agent<Env, number> {
  initialState = 0;

  @callable()
  add(amount: number): number {
    this.setState(this.state + amount);
    return this.state;
  }
}

/** The page comes from another origin. */
const cors = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, DELETE',
  'Access-Control-Allow-Headers': '*',
};

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env, { cors })) ?? new Response('Not found', { status: 404 });
  },
} satisfies ExportedHandler<Env>;
