import { AGENTS } from '../../agents.ts';
import { answerDemoRequest } from './demo.ts';
import { readStandIns } from './demo-settings.ts';
import { createGate } from './open-gate.ts';
import { verifierOf } from './verifier.ts';

export { Chat } from './agents/chat.ts';
export { Counter } from './agents/counter.ts';
export { Integrations } from './agents/integrations.ts';
export { Lobby } from './agents/lobby.ts';
export { McpAgent } from './agents/mcp-agent.ts';
export { RecorderObject } from './recorder.ts';

const gate = createGate(AGENTS);

export default {
  async fetch(request, env): Promise<Response> {
    return (
      gate(request, env) ??
      answerDemoRequest(request, {
        registry: AGENTS,
        broker: verifierOf(env).config.issuer,
        ...readStandIns(env),
        assets: env.ASSETS,
        randomId: () => crypto.randomUUID(),
      })
    );
  },
} satisfies ExportedHandler<Cloudflare.Env>;
