import { createGate, ticketed } from '@agent-ticket/agent-worker/src/library.ts';
import { Agent } from 'agents';
import { AGENTS } from '../../agents.ts';

export { RecorderObject } from '@agent-ticket/agent-worker/src/library.ts';

export class Counter extends ticketed(Agent<Cloudflare.Env, { count: number }>) {
  override initialState = { count: 0 };
}

const gate = createGate(AGENTS);

export default {
  fetch: (request: Request, env: Parameters<typeof gate>[1]) =>
    gate(request, env) ?? new Response(null, { status: 404 }),
};
