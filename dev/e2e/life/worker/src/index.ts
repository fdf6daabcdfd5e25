import { createGate, defineAgent, ticketed } from '@agent-ticket/agent-worker/src/library.ts';
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

export class Counter extends ticketed(Agent<Cloudflare.Env, CounterState>) {
  override initialState: CounterState = { count: 0 };

  @callable()
  increment(): number {
    this.setState({ count: this.state.count + 1 });
    return this.state.count;
  }

  /** Says one thing, and then nothing more. */
  override async onRequest(): Promise<Response> {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    void writable.getWriter().write(new TextEncoder().encode('data: 1\n\n'));
    return new Response(readable, { headers: { 'content-type': 'text/event-stream' } });
  }
}

const gate = createGate([defineAgent('counter', { subAgents: ['child'] })]);

export default {
  fetch: (request, env) => gate(request, env) ?? new Response(null, { status: 404 }),
} satisfies ExportedHandler<Cloudflare.Env>;
