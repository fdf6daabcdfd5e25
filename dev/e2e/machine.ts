import { inject } from 'vitest';
import * as z from 'zod';
import { asOperator, post } from './broker.ts';

const Made = z.object({ id: z.string(), client_id: z.string(), client_secret: z.string() });

/** A service token as the operator makes it for a client of the MCP agent, and what that client is told of it. */
export async function makeMachine(permissions: readonly string[] = ['agents']) {
  const { broker } = inject('stack');
  const wish = { name: 'machine', agents: ['mcp-agent'], tier: 'admin', permissions };
  const made = Made.parse(await (await post(`${broker}/admin/service-tokens`, asOperator(), wish)).json());
  const { id, client_id: clientId, client_secret: clientSecret } = made;
  return { id, credentials: { clientId, clientSecret, expectedIssuer: broker } };
}
