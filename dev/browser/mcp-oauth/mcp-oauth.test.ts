import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { defineAgents } from '@agent-ticket/agent-worker/registry';
import { createTestIssuer } from '@agent-ticket/agent-worker/testing';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { freePorts } from '../../e2e/free-ports.ts';
import { quietEnvironment, ROOT } from '../../quiet-environment.ts';
import { migrate } from '../../start/migrations.ts';
import { startWorkers } from '../../start/workers.ts';
import { openTab, type Tab } from '../tab.ts';
import { openProvider } from './provider.ts';

/** A person adds an MCP server with OAuth to an agent, by a popup, and a stranger would have another one finish. */

const ISSUER = 'https://broker.test';
const AUDIENCE = 'tools.test';

async function startApp() {
  const issuer = await createTestIssuer({
    issuer: ISSUER,
    audience: AUDIENCE,
    agents: defineAgents([{ slug: 'tools' }, { slug: 'known-tools' }]),
  });
  const jwks = () => issuer.fetch(new Request(`${ISSUER}/.well-known/jwks.json`)).json();
  const provider = await openProvider({ jwks });
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-mcp-oauth-'));
  await cp(`${ROOT}dev/browser/mcp-oauth/app`, folder, { recursive: true });
  await symlink(`${ROOT}node_modules`, join(folder, 'node_modules'));
  await promisify(execFile)('wrangler', ['deploy', '--dry-run', '--outdir', 'dist'], {
    cwd: folder,
    env: quietEnvironment(process.env),
  });
  const { agentWorker: port } = await freePorts();
  const url = `http://127.0.0.1:${port}`;
  const settings = {
    ISSUER,
    TICKET_AUDIENCE: AUDIENCE,
    BROKER_JWKS_URL: provider.jwksUrl,
    ALLOWED_ORIGINS: url,
    AGENT_WORKER_URL: url,
    CALLBACK_KEY: 'A'.repeat(43),
  };
  const lines: string[] = [];
  const workers = await startWorkers({
    workers: [{ name: 'tools', folder, port, settings }],
    onLog: (line) => lines.push(line),
  });
  await migrate(await workers.getD1Database('RECORD', 'tools'), 'record');
  return {
    url,
    provider,
    lines,
    /** The page of a person with a ticket for an instance. */
    async visit(name: string, agent = 'tools', server = provider.mcpUrl): Promise<Tab> {
      const ticket = await issuer.ticket({ agent, instance: name, scope: 'agent:connect agent:rpc:*' });
      const query = new URLSearchParams({ agent, name, ticket, server });
      return openTab(`${url}/page?${query}`);
    },
    async close(): Promise<void> {
      await workers.dispose();
      await provider.close();
      await rm(folder, { recursive: true });
    },
  };
}

let app: Awaited<ReturnType<typeof startApp>>;
beforeAll(async () => {
  app = await startApp();
}, 120_000);
afterAll(() => app?.close());

/** Begins to add the server. The popup with the page of its provider. */
async function begin({ page, context }: Tab): Promise<Page> {
  const popup = context.waitForEvent('page');
  await page.getByRole('button').click();
  const opened = await popup;
  await agreement(opened).waitFor();
  return opened;
}
const agreement = (popup: Page) => popup.getByRole('link', { name: 'Agree' });

it('ends in a connected server, by a redirect from another site', async () => {
  const tab = await app.visit('room-1');
  const popup = await begin(tab);
  expect(app.provider.registered()).toEqual([`${app.url}/agents/tools/room-1/oauth`]);
  await agreement(popup).click();
  await tab.page.getByText('ready', { exact: true }).waitFor();
  await popup.waitForURL(`${app.url}/`);
  expect(app.provider.redeemed()).toBe(1);
  const [cookie] = await tab.context.cookies(app.url);
  expect(cookie).toMatchObject({
    name: '__Host-agent-ticket-browser',
    httpOnly: true,
    secure: true,
    sameSite: 'Lax',
  });
});

it('ends so, too, where the provider knows the client and the redirect of this instance alone', async () => {
  const provider = await openProvider({ known: [`${app.url}/agents/known-tools/room-3/oauth`] });
  onTestFinished(provider.close);
  const tab = await app.visit('room-3', 'known-tools', provider.mcpUrl);
  await agreement(await begin(tab)).click();
  await tab.page.getByText('ready', { exact: true }).waitFor();

  const elsewhere = await app.visit('room-4', 'known-tools', provider.mcpUrl);
  const popup = elsewhere.context.waitForEvent('page');
  await elsewhere.page.getByRole('button').click();
  await (await popup).getByText('redirect_uri').waitFor();
  expect(provider.redeemed()).toBe(1);
});

it('does not end in the browser of somebody else', async () => {
  const [stranger, person] = [await app.visit('room-2'), await app.visit('room-2')];
  const sent = await agreement(await begin(stranger)).getAttribute('href');
  const popup = await begin(person);
  const redeemed = app.provider.redeemed();
  const answer = await popup.goto(sent ?? '');
  expect(answer?.status()).toBe(401);
  expect(app.provider.redeemed()).toBe(redeemed);
  expect(app.lines.join('\n')).not.toContain(new URL(sent ?? '').searchParams.get('state'));
});
