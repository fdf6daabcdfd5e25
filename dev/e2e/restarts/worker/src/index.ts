import { Counter as Example } from '@agent-ticket/agent-worker/src/agents/counter.ts';
import { createGate, defineAgents } from '@agent-ticket/agent-worker/src/library.ts';
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

/** Exported, but not in the registry. */
export class Hidden extends Child {}

/** The example without sub-agents; its stream sends one event and then nothing. */
export class Counter extends Example {
  override async onRequest(request: Request): Promise<Response> {
    if (request.headers.get('accept') !== 'text/event-stream') return super.onRequest(request);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    void writable.getWriter().write(new TextEncoder().encode('data: 1\n\n'));
    return new Response(readable, { headers: { 'content-type': 'text/event-stream' } });
  }
}

export { RecorderObject } from '@agent-ticket/agent-worker/src/library.ts';

const gate = createGate(defineAgents([{ slug: 'counter', subAgents: ['child'] }]));

export default {
  fetch: (request, env) => gate(request, env) ?? new Response(null, { status: 404 }),
} satisfies ExportedHandler<Cloudflare.Env>;
