import { createGate, defineAgent } from '@agent-ticket/agent-worker/src/library.ts';
import { Agent, callable } from 'agents';

interface CounterState {
  count: number;
}

/** Below a counter, and reached through it. It has no binding and no ticket of its own. */
export class Child extends Agent<Cloudflare.Env, CounterState> {
  override initialState: CounterState = { count: 0 };

  @callable()
  increment(): number {
    this.setState({ count: this.state.count + 1 });
    return this.state.count;
  }

  @callable()
  reset(): void {
    this.setState({ count: 0 });
  }
}

/** Exported like the other, and listed nowhere. */
export class Hidden extends Child {}

/** The example, which has no sub-agents of its own. */
export { Counter } from '@agent-ticket/agent-worker/src/agents/counter.ts';

const gate = createGate([defineAgent('counter', { subAgents: ['child'] })]);

export default {
  fetch: (request, env) => gate(request, env) ?? new Response(null, { status: 404 }),
} satisfies ExportedHandler<Cloudflare.Env>;
