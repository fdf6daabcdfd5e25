import { expect, inject, it } from 'vitest';
import { asOperator, mint } from '../e2e/broker.ts';
import { makeMachine } from '../e2e/machine.ts';
import { openTab } from './tab.ts';

/** The stock MCP client in a page of a listed origin: what it reads of gate and broker goes through CORS. */

const agentAt = (instance: string): string =>
  new URL(`/agents/mcp-agent/${instance}/mcp`, inject('stack').agentWorker).href;
/** Chromium writes a line for the answer to the client's question for a stream, which this agent does not have. */
const NO_STREAM = /405/;
const openPage = (...expects: readonly RegExp[]) =>
  openTab(`${inject('pages')}/mcp`, { expects: [NO_STREAM, ...expects] });

it('a page gets in with a ticket that it was given', async () => {
  const request = { agent: 'mcp-agent', instance: 'in-a-page', transport: 'http' } as const;
  const { ticket } = await mint(request, asOperator());
  const { page } = await openPage();
  const answer = await page.evaluate(([agent, by]) => window.mcp.whoami(agent, { ticket: by }), [
    agentAt('in-a-page'),
    ticket,
  ] as const);
  expect(JSON.parse(answer)).toMatchObject({ principal: `token:${inject('stack').adminToken.id}` });
});

it('a page finds the broker by the challenge of the gate, and gets a ticket there', async () => {
  const { id, credentials } = await makeMachine();
  // Another line, for the answer that has the challenge.
  const { page } = await openPage(/401/);
  const answer = await page.evaluate(([agent, by]) => window.mcp.whoami(agent, by), [
    agentAt('found'),
    credentials,
  ] as const);
  expect(JSON.parse(answer)).toMatchObject({ principal: `token:${id}` });
});
