import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';
import { COUNTER, mint, requestIdOf } from './call.ts';
import { printed } from './printed.ts';
import { makeToken } from './tokens.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

it('a line of the mint shard names the request and the trace that it is part of', async () => {
  const token = await makeToken();
  await env.CONTROL.prepare('ALTER TABLE grants RENAME TO grants_away').run();
  try {
    const headers = { ...token.pair, traceparent: `00-${TRACE}-00f067aa0ba902b7-01` };
    const reply = await mint(headers, COUNTER);
    expect(reply.status).toBe(503);
    const lines = printed.map((line): unknown => JSON.parse(line));
    expect(lines).toContainEqual(
      expect.objectContaining({
        event: 'outage',
        at: 'mint',
        request_id: requestIdOf(reply),
        trace_id: TRACE,
      }),
    );
  } finally {
    await env.CONTROL.prepare('ALTER TABLE grants_away RENAME TO grants').run();
  }
});
