import { env } from 'cloudflare:workers';
import { type AgentRegistry, withDefaults } from '@agent-ticket/shared/registry.ts';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createGate } from '../src/open-gate.ts';

it('an agent without a binding is named at start and does not stop the others', async () => {
  const print = vi.spyOn(console, 'log').mockImplementation(() => {});
  onTestFinished(() => print.mockRestore());
  const registry: AgentRegistry = [withDefaults({ slug: 'counter' }), withDefaults({ slug: 'absent' })];
  const gate = createGate(registry);
  const statusOf = async (agent: string) =>
    (await gate(new Request(`https://agents.test/agents/${agent}/one`), env))?.status;

  expect(await statusOf('counter')).toBe(401);
  expect(print.mock.calls.map(([line]) => JSON.parse(line))).toContainEqual({
    event: 'agent_without_binding',
    agent: 'absent',
    bindings: ['ABSENT', 'Absent'],
  });
});

it('an agent may be bound by the name of its class', async () => {
  const print = vi.spyOn(console, 'log').mockImplementation(() => {});
  onTestFinished(() => print.mockRestore());
  const { COUNTER, ...others } = env;
  const gate = createGate([withDefaults({ slug: 'counter' })]);
  const answer = await gate(new Request('https://agents.test/agents/counter/one'), {
    ...others,
    Counter: COUNTER,
  });
  expect(answer?.status).toBe(401);
  expect(print.mock.calls.join()).not.toContain('agent_without_binding');
});
