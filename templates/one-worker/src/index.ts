import { createGate, defineAgents, ticketed } from '@agent-ticket/agent-worker';
import { createBroker } from '@agent-ticket/broker';
import { Agent, callable } from 'agents';

export { RecorderObject } from '@agent-ticket/agent-worker';

/** The access mode of each agent. `viewer` admits everybody with a credential. */
const AGENTS = defineAgents([{ slug: 'counter', access: 'viewer' }]);
const broker = createBroker({ agents: AGENTS, basePath: '/broker' });
const gate = createGate(AGENTS);

export class Counter extends ticketed(Agent<Cloudflare.Env, { count: number }>) {
  override initialState = { count: 0 };

  @callable()
  increment(): number {
    this.setState({ count: this.state.count + 1 });
    return this.state.count;
  }
}
export class MintShardObject extends broker.MintShardObject {}
export class Backlog extends broker.Backlog {}

type Env = Parameters<typeof broker.answer>[1] & Parameters<typeof gate>[1];

export default {
  fetch: (request, env) =>
    broker.answer(request, env) ??
    gate(request, env) ??
    new Response('Agents behind tickets. The broker is at /broker.', { status: 404 }),
  scheduled: broker.scheduled,
} satisfies ExportedHandler<Env>;
