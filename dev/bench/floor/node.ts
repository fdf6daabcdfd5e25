import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { exchange, sign } from './exchange.ts';

/** The bare server on Node: writes its address and serves until a signal. */
const app = new Hono();
app.get('/token', async (c) => c.text(await sign({ agent: 'counter', instance: 'bench' })));
app.post('/exchange', async (c) => c.json(await exchange(c.req.raw), 201));

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
  process.stdout.write(`http://127.0.0.1:${port}\n`);
});
process.once('SIGTERM', () => {
  server.close();
  if ('closeAllConnections' in server) server.closeAllConnections();
});
