import { DurableObject } from 'cloudflare:workers';
import { Agent, routeAgentRequest } from 'agents';
import { generateKeyPair, jwtVerify, SignJWT } from 'jose';

/**
 * The least that makes the same trips: as many to the databases, as many to an object, as many signatures. No ticket,
 * no decision, no useful record.
 */

interface Env {
  readonly Bare: DurableObjectNamespace<Bare>;
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

/** An agent without authentication. It writes as many rows for a socket as the real one, and awaits none of them either. */
export class Bare extends Agent<Env, { count: number }> {
  override initialState = { count: 0 };

  override onConnect(): void {
    this.sql`CREATE TABLE IF NOT EXISTS notes (at INTEGER, text TEXT)`;
    this.sql`INSERT INTO notes VALUES (${Date.now()}, ${'x'.repeat(300)})`;
    this.ctx.waitUntil(this.env.DB.batch(Array.from({ length: 4 }, () => row(this.env.DB))));
  }

  override onClose(): void {
    this.ctx.waitUntil(this.env.DB.batch([row(this.env.DB), row(this.env.DB)]));
  }
}

/** A value, not a promise: on Workers one request must not wait for the promise of another. */
let keys: Awaited<ReturnType<typeof generateKeyPair>> | undefined;

const ROUTES: Readonly<Record<string, (request: Request, env: Env) => Promise<Response>>> = {
  '/still': async () => Response.json({ status: 'ok' }),

  /** Two reads, a row in an object, a signature made and checked. */
  '/sign': async (request, { DB, Notes }) => {
    await DB.prepare('SELECT at FROM events WHERE at = ?').bind(1).all();
    await DB.batch([1, 2].map((at) => DB.prepare('SELECT at FROM events WHERE at = ?').bind(at)));
    await Notes.get(Notes.idFromName('all')).take();
    keys ??= await generateKeyPair('ES256');
    const body: { agent: string } = await request.json();
    const token = await new SignJWT({ ...body, scope: 'agent:connect agent:state:read agent:message' })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
      .setIssuer('https://broker.example')
      .setSubject('token:0123456789')
      .setIssuedAt()
      .setExpirationTime('60s')
      .sign(keys.privateKey);
    await jwtVerify(token, keys.publicKey);
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
