import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { appVars } from 'agent-ticket/src/dev-files.ts';
import { appVarsFile } from 'agent-ticket/src/open-dev-settings.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { AgentClient } from 'agents/client';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { type Stack, startStack } from '../../start/stack.ts';
import { freePorts } from '../free-ports.ts';
import { watchToClose } from '../sockets.ts';
import { adopt, buildApp, changedLines, plainApp, runGuidedTests, writeRegistry } from './adopt.ts';

/** An app of the Agents SDK as people have it, put behind tickets by the built package and the lines of the guide. */

const PATIENCE_MS = 180_000;
let folder: string;
let stack: Stack;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-ticket-adopt-'));
  await plainApp(folder);
  await buildApp(folder);
  await adopt(folder);
  await writeRegistry(folder);
  await buildApp(folder);
  stack = await startStack({
    ports: await freePorts(),
    secrets: makeSecrets(),
    folders: { agentWorker: folder },
  });
}, PATIENCE_MS);

afterAll(async () => {
  await stack?.close();
  await rm(folder, { recursive: true });
});

async function ticket(): Promise<string> {
  const { broker, serviceToken } = stack.facts;
  const answer = await fetch(`${broker}/tickets`, {
    method: 'POST',
    headers: { authorization: `Bearer ${serviceToken.clientSecret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ agent: 'counter', instance: 'mine' }),
  });
  return z.object({ ticket: z.string() }).parse(await answer.json()).ticket;
}

it('changes at most ten lines, beside the one that `npm install` writes', async () => {
  const { added, removed } = await changedLines(folder);
  expect(added).toBeLessThanOrEqual(10);
  expect(removed).toBeLessThan(added);
});

it('admits the stock client with a ticket, enforces its rights, and records its session', async () => {
  const client = new AgentClient<unknown, { count: number }>({
    agent: 'counter',
    name: 'mine',
    host: stack.facts.agentWorker,
    protocols: async () => ['agent-ticket.v1', await ticket()],
  });
  onTestFinished(() => client.close());
  await client.ready;
  expect(await client.call('increment')).toBe(1);
  const record = await stack.workers.getD1Database('RECORD', 'broker');
  await eventually(async () => {
    const { results } = await record
      .prepare('SELECT user_id, instance_id, ended_at FROM agent_sessions')
      .all();
    expect(results).toEqual([
      { user_id: `token:${stack.facts.serviceToken.id}`, instance_id: 'mine', ended_at: null },
    ]);
  });
});

it('refuses requests, sub-agents and sockets without a ticket', async () => {
  const url = new URL('/agents/counter/mine', stack.facts.agentWorker);
  expect((await fetch(url)).status).toBe(401);
  expect((await fetch(new URL('/agents/counter/mine/sub/counter/x', url))).status).toBe(404);
  url.protocol = 'ws:';
  expect(await watchToClose(url.href)).toMatchObject({ frames: [], code: 4001, reason: 'unauthorized' });
});

it('leaves the rest of the worker to the app', async () => {
  const answer = await fetch(stack.facts.agentWorker);
  expect([answer.status, await answer.text()]).toEqual([404, 'Not found']);
});

it(
  'is tested by the files of the guide on testing, in workerd and on Node, beside the settings of `agent-ticket dev`',
  async () => {
    const ports = { app: 8788, broker: 8787, identityProvider: 8790 };
    const { text = '' } = appVarsFile(undefined, appVars(ports, []), { CALLBACK_KEY: 'k'.repeat(43) });
    await writeFile(join(folder, '.dev.vars'), text);
    expect(await runGuidedTests(folder)).toEqual(
      new Map([
        ['test/node.test.ts', []],
        ['test/tickets.test.ts', []],
      ]),
    );
  },
  PATIENCE_MS,
);
