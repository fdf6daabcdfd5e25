import { DurableObject } from 'cloudflare:workers';
import { Agent, callable, routeAgentRequest } from 'agents';
import { exchange, sign, verify } from './exchange.ts';

/**
 * Floors in the Workers runtime. Some make no trip at all; others make as many trips as ours once did, to databases and
 * objects, and decide nothing.
 */

interface Env {
  readonly Bare: DurableObjectNamespace<Bare>;
  readonly Writing: DurableObjectNamespace<Writing>;
  readonly Notes: DurableObjectNamespace<Notes>;
  readonly DB: D1Database;
}

const row = (db: D1Database) =>
  db.prepare('INSERT INTO events (at, text) VALUES (?, ?)').bind(Date.now(), 'x'.repeat(300));

/** Writes a row, and delivers another one after the answer. */
export class Notes extends DurableObject<Env> {
  take(): void {
    this.ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS notes (at INTEGER, text TEXT)');
    this.ctx.storage.sql.exec('INSERT INTO notes VALUES (?, ?)', Date.now(), 'x'.repeat(300));
    this.ctx.waitUntil(this.env.DB.batch([row(this.env.DB)]));
  }
}

/** An agent of the SDK without authentication and without a record. */
export class Bare extends Agent<Env, { count: number }> {
  override initialState = { count: 0 };

  /** Answers about as many bytes as the method of this name that ours has. */
  @callable()
  whoami(): Readonly<Record<string, string>> {
    return {
      principal: 'token:0123456789abcdef',
      role: 'admin',
      scope: 'agent:connect agent:state:read agent:message',
      session: '00000000-0000-4000-8000-000000000000',
    };
  }
}

/** The same with rows: one in the object and six in the database for each socket, none of them awaited. */
export class Writing extends Bare {
  override onConnect(): void {
    this.sql`CREATE TABLE IF NOT EXISTS notes (at INTEGER, text TEXT)`;
    this.sql`INSERT INTO notes VALUES (${Date.now()}, ${'x'.repeat(300)})`;
    this.ctx.waitUntil(this.env.DB.batch(Array.from({ length: 4 }, () => row(this.env.DB))));
  }

  override onClose(): void {
    this.ctx.waitUntil(this.env.DB.batch([row(this.env.DB), row(this.env.DB)]));
  }
}

const ROUTES: Readonly<Record<string, (request: Request, env: Env) => Promise<Response>>> = {
  '/still': async () => Response.json({ status: 'ok' }),
  '/token': async () => new Response(await sign({ agent: 'counter', instance: 'bench' })),
  '/exchange': async (request) => Response.json(await exchange(request), { status: 201 }),

  /** Two reads, a row in an object, a signature made and checked. */
  '/sign': async (request, { DB, Notes }) => {
    await DB.prepare('SELECT at FROM events WHERE at = ?').bind(1).all();
    await DB.batch([1, 2].map((at) => DB.prepare('SELECT at FROM events WHERE at = ?').bind(at)));
    await Notes.get(Notes.idFromName('all')).take();
    const { agent }: { agent: string } = await request.json();
    const token = await sign({ agent });
    await verify(token);
    return Response.json({ token }, { status: 201 });
  },
};

export default {
  async fetch(request, env) {
    const route = ROUTES[new URL(request.url).pathname];
    if (route !== undefined) return route(request, env);
    return (await routeAgentRequest(request, env)) ?? new Response(null, { status: 404 });
  },
} satisfies ExportedHandler<Env>;
