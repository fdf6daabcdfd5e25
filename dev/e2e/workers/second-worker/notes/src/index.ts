import { createGate, ticketed } from '@agent-ticket/agent-worker/src/library.ts';
import { Agent } from 'agents';
import { AGENTS } from '../../agents.ts';

export { RecorderObject } from '@agent-ticket/agent-worker/src/library.ts';

export class Notes extends ticketed(Agent<Cloudflare.Env, { notes: readonly string[] }>) {
  override initialState = { notes: [] };
}

const gate = createGate(AGENTS, { worker: 'notes' });

export default {
  fetch: (request: Request, env: Parameters<typeof gate>[1]) =>
    gate(request, env) ?? new Response(null, { status: 404 }),
};
