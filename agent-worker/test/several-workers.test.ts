import { env } from 'cloudflare:workers';
import { defineAgents, registryDigest } from '@agent-ticket/shared/registry.ts';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { AGENTS } from '../../agents.ts';
import { reconcile } from '../src/control/reconcile.ts';
import { createGate } from '../src/open-gate.ts';
import { control } from './commands.ts';

const REGISTRY = defineAgents([{ slug: 'counter' }, { slug: 'lobby', worker: 'other' }]);

describe('a gate of one of several workers', () => {
  it('knows its own agents alone, also where it has bindings for others', async () => {
    const print = vi.spyOn(console, 'log').mockImplementation(() => {});
    onTestFinished(() => print.mockRestore());
    const statuses = (gate: (request: Request, of: typeof env) => Promise<Response> | undefined) =>
      Promise.all(
        ['counter', 'lobby'].map(
          async (agent) => (await gate(new Request(`https://agents.test/agents/${agent}/main`), env))?.status,
        ),
      );
    expect(await statuses(createGate(REGISTRY))).toEqual([401, 404]);
    expect(await statuses(createGate(REGISTRY, { worker: 'other' }))).toEqual([404, 401]);
  });

  it('is made by no name that no agent names', () => {
    // @ts-expect-error: the compiler knows the workers of a registry
    createGate(REGISTRY, { worker: 'misspelt' });
    const gate = createGate(defineAgents([{ slug: 'lobby', worker: 'other' }]));
    expect(() => gate(new Request('https://agents.test/agents/lobby/main'), env)).toThrow(
      'no agent of the registry is of the worker default',
    );
  });
});

it('the command digest is answered with the digest of the agents that the worker serves', async () => {
  expect(await control({ op: 'digest' })).toMatchObject({
    status: 200,
    body: { closed: 0, objects: 0, registry: await registryDigest(AGENTS) },
  });
});

it('the command digest is not answered while the record database lacks its tables', async () => {
  await env.RECORD.exec('ALTER TABLE agent_sessions RENAME TO renamed');
  // The broker takes a receipt from a success alone.
  expect((await control({ op: 'digest' })).status).toBeGreaterThanOrEqual(500);
  await env.RECORD.exec('ALTER TABLE renamed RENAME TO agent_sessions');
  expect((await control({ op: 'digest' })).status).toBe(200);
});

it('a worker ends no session of another one, whose objects it cannot ask', async () => {
  const asked: string[] = [];
  await reconcile({
    config: { audience: 'agents.test' },
    record: {
      sessions: {
        listOpen: async (audience) => {
          asked.push(audience);
          return [];
        },
      },
      deliver: async () => [],
    },
    listSessions: async () => ({ open: [], ended: [] }),
    clock: () => 0,
    random: () => 0,
  });
  expect(asked).toEqual(['agents.test']);
});
