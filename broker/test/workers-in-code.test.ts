import { env } from 'cloudflare:workers';
import { defineAgents } from '@agent-ticket/shared/registry.ts';
import { expect, it, onTestFinished, vi } from 'vitest';
import { type BrokerOptions, createBroker } from '../src/open-broker.ts';

const agents = defineAgents([{ slug: 'board', access: 'public', instances: ['main'], worker: 'billing' }]);

const listed = (options: BrokerOptions) =>
  createBroker(options).handler.fetch(new Request('https://broker.test/api/agents'), env);

it('agent workers may be named in code', async () => {
  const workers = { billing: { url: 'https://billing.test', audience: 'billing.test' } };
  const answer = await listed({ agents, workers });
  expect([answer.status, await answer.json()]).toMatchObject([
    200,
    { items: [{ agent: 'board', url: 'https://billing.test/agents/board' }] },
  ]);
});

it('an agent of a worker that nobody named answers 500, and the log has both names', async () => {
  const print = vi.spyOn(console, 'log').mockImplementation(() => {});
  onTestFinished(() => print.mockRestore());
  expect((await listed({ agents })).status).toBe(500);
  expect(print.mock.calls.map(([line]) => JSON.parse(line))).toEqual([
    { event: 'not_started', error: 'broker is not configured. board: there is no worker billing' },
  ]);
});
