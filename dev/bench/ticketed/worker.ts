import { createGate } from '@agent-ticket/agent-worker/src/open-gate.ts';
import { AGENTS } from '../../../agents.ts';

export { Counter } from '@agent-ticket/agent-worker/src/agents/counter.ts';
export { RecorderObject } from '@agent-ticket/agent-worker/src/recorder.ts';

/**
 * The counter behind its gate, and nothing that the bare worker has no like of: the modules of the other example agents and
 * of the demo page would be in the memory of ours alone.
 */
const [counter] = AGENTS;
const gate = createGate([counter]);

export default {
  fetch: (request, env) => gate(request, env) ?? new Response(null, { status: 404 }),
} satisfies ExportedHandler<Cloudflare.Env>;
