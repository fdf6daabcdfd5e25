import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type LoopbackServer, listenOnLoopback } from 'agent-ticket/src/identity-provider/http.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { AgentClient } from 'agents/client';
import { onTestFinished } from 'vitest';
import * as z from 'zod';
import { type Stack, startStack } from '../../start/stack.ts';
import { startWorkers } from '../../start/workers.ts';
import { freePorts } from '../free-ports.ts';
import { buildApp, buildBroker, installPackages } from './install.ts';

/** An app that runs, as its clients see it. */
export interface App {
  /** Its address. */
  readonly url: string;
  /** Where its page is on another origin than its agents. */
  readonly page: string;
  /** A ticket, where it takes one. */
  ticket(agent: string, instance: string, transport?: 'websocket' | 'http'): Promise<string | undefined>;
  readonly stack?: Stack;
  close(): Promise<void>;
}

export interface Apps {
  readonly plain: App;
  readonly guarded: App;
}

type Settings = Readonly<Record<string, string>>;

/**
 * One app twice, as its authors have it and protected, so that each feature is tried with both. The caller of
 * {@link App.ticket} owns all instances of the `agents`; `settings` are those of the app that is not protected.
 */
export async function startBoth(
  app: string,
  agents: readonly string[],
  settings: Settings = {},
): Promise<Apps> {
  await installPackages();
  const ports = await freePorts();
  const plain = await startPlain(app, settings);
  const broker = `http://127.0.0.1:${ports.broker}`;
  const secrets = makeSecrets();
  const agentWorker = await buildApp(app, `http://127.0.0.1:${ports.agentWorker}`, broker);
  const page = await servePage(agentWorker);
  const folders = { broker: await buildBroker(), agentWorker };
  const stack = await startStack({ ports, secrets, folders, pageOrigins: [page.url] });
  const post = (path: string, secret: string, body: object) =>
    fetch(`${broker}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const subject = `token:${secrets.serviceToken.id}`;
  for (const agent of agents) {
    const grant = { subject, agent, instance: '*', role: 'owner', reason: 'tests' };
    const granted = await post('/admin/grants', secrets.adminToken.clientSecret, grant);
    if (granted.status !== 201) throw new Error(`no grant: ${granted.status} ${await granted.text()}`);
  }
  return {
    plain,
    guarded: {
      url: stack.facts.agentWorker,
      page: page.url,
      stack,
      async ticket(agent, instance, transport = 'websocket') {
        const request = { agent, instance, transport };
        const minted = await post('/tickets', secrets.serviceToken.clientSecret, request);
        return z.object({ ticket: z.string() }).parse(await minted.json()).ticket;
      },
      close: async () => {
        await Promise.all([stack.close(), page.close()]);
      },
    },
  };
}

async function startPlain(app: string, settings: Settings): Promise<App> {
  const { agentWorker: port } = await freePorts();
  const url = `http://127.0.0.1:${port}`;
  const folder = await buildApp(app, url);
  const page = await servePage(folder);
  const workers = await startWorkers({
    workers: [{ name: 'agent-worker', folder, port, settings, isAlone: true }],
    onLog: () => {},
  });
  return {
    url,
    page: page.url,
    ticket: async () => undefined,
    close: async () => {
      await Promise.all([workers.dispose(), page.close()]);
    },
  };
}

/** The files of an app's page, on an origin of their own. */
const servePage = (folder: string): Promise<LoopbackServer> =>
  listenOnLoopback(0, async (request, response) => {
    const name = basename(new URL(request.url ?? '/', 'http://localhost').pathname) || 'index.html';
    const content = await readFile(join(folder, 'public', name)).catch(() => undefined);
    response.statusCode = content === undefined ? 404 : 200;
    response.setHeader('content-type', name.endsWith('.js') ? 'text/javascript' : 'text/html');
    response.end(content);
  });

/** The stock client of one agent, with a ticket of its own for each socket where the app takes one. */
export async function connect<State>(app: App, agent: string, name: string) {
  const client = new AgentClient<unknown, State>({
    agent,
    name,
    host: app.url,
    protocols: async () => {
      const ticket = await app.ticket(agent, name);
      return ticket === undefined ? [] : ['agent-ticket.v1', ticket];
    },
  });
  onTestFinished(() => client.close());
  const frames: Record<string, unknown>[] = [];
  client.addEventListener('message', ({ data }) => {
    frames.push(z.record(z.string(), z.unknown()).parse(JSON.parse(String(data))));
  });
  await client.ready;
  return { client, frames };
}

/** A plain request to an agent, with a ticket where the app takes one. */
export async function ask(app: App, path: string, init: RequestInit = {}): Promise<Response> {
  const [, , agent = '', instance = ''] = path.split('/');
  const ticket = await app.ticket(agent, instance);
  const headers = new Headers(init.headers);
  if (ticket !== undefined) headers.set('authorization', `Bearer ${ticket}`);
  return fetch(`${app.url}${path}`, { ...init, headers });
}
