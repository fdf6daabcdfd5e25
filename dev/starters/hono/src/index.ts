import { Agent, callable, getAgentByName, routeAgentEmail } from 'agents';
import { createAddressBasedEmailResolver } from 'agents/email';
import { Hono } from 'hono';
import { agentsMiddleware } from 'hono-agents';
import { mailOf } from './mail';

export interface Stock {
  labels: Record<string, string>;
  done: string[];
}

/** A part of a depot, inside of it. */
export class Shelf extends Agent<Env, { parcels: number }> {
  initialState = { parcels: 0 };

  put(): number {
    this.setState({ parcels: this.state.parcels + 1 });
    return this.state.parcels;
  }

  async onRequest(): Promise<Response> {
    return Response.json({ shelf: this.name, ...this.state });
  }
}

export class Depot extends Agent<Env, Stock> {
  initialState: Stock = { labels: {}, done: [] };

  /** Runs on a schedule, from the queue and for mails: nobody is connected on whose behalf it would run. */
  async note(what: string) {
    this.setState({ ...this.state, done: [...this.state.done, what] });
  }

  @callable()
  async later(seconds: number, what: string) {
    await this.schedule(seconds, 'note', `scheduled: ${what}`);
  }

  @callable()
  async inTurn(what: string) {
    await this.queue('note', `queued: ${what}`);
  }

  @callable()
  async store(shelf: string) {
    return (await this.subAgent(Shelf, shelf)).put();
  }

  async onEmail(email: { from: string }) {
    await this.note(`mail from ${email.from}`);
  }

  /** Labels as resources: each has a path. */
  async onRequest(request: Request): Promise<Response> {
    const { labels } = this.state;
    const label = new URL(request.url).pathname.split('/').at(-1) ?? '';
    const { [label]: text = '', ...others } = labels;
    switch (request.method) {
      case 'POST':
        return Response.json({ bytes: (await request.arrayBuffer()).byteLength });
      case 'PUT':
        this.setState({ ...this.state, labels: { ...labels, [label]: await request.text() } });
        return new Response(null, { status: 201 });
      case 'PATCH':
        this.setState({ ...this.state, labels: { ...labels, [label]: text + (await request.text()) } });
        return new Response(null, { status: 204 });
      case 'DELETE':
        this.setState({ ...this.state, labels: others });
        return new Response(null, { status: 204 });
      default:
        return Response.json(labels, { headers: { 'x-labels': String(Object.keys(labels).length) } });
    }
  }

  summary() {
    return { done: this.state.done };
  }
}

const receive = (message: ForwardableEmailMessage, env: Env) =>
  routeAgentEmail(message, env, { resolver: createAddressBasedEmailResolver('DEPOT') });

const app = new Hono<{ Bindings: Env }>();
app.get('/summary/:name', async ({ env, req, json }) => {
  const depot = await getAgentByName<Env, Depot>(env.DEPOT, req.param('name'));
  return json(await depot.summary());
});
app.post('/contact', async ({ env, req, body }) => {
  await receive(mailOf(req.query('from') ?? '', 'depot+desk@example.com', await req.text()), env);
  return body(null, 204);
});
app.use('/agents/*', agentsMiddleware());

export default {
  fetch: app.fetch,
  email: (message, env) => receive(message, env),
} satisfies ExportedHandler<Env>;
