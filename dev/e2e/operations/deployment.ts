import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { listenOnLoopback } from 'agent-ticket/src/identity-provider/http.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import * as z from 'zod';
import { ROOT } from '../../quiet-environment.ts';
import { type Stack, startStack } from '../../start/stack.ts';
import { blocksOf, paste } from '../documents.ts';
import { freePorts } from '../free-ports.ts';

export const Page = z.object({ items: z.array(z.looseObject({})) });

/** The pages for operators that are steps, in the order in which the tests run their blocks. */
export const GUIDE = ['health', 'keys', 'leaks', 'audit', 'personal-data'].map(
  (name) => `docs/operate/${name}.md`,
);

interface DeploymentSettings {
  readonly broker?: Readonly<Record<string, string>>;
  readonly agentWorker?: Readonly<Record<string, string>>;
}

/** A stack of its own for one operator, who may deploy it with other settings, and a server that stores checkpoints. */
export async function startDeployment(settings: DeploymentSettings = {}) {
  const blocks = (await Promise.all(GUIDE.map(blocksOf))).flat().filter(({ language }) => language === 'sh');
  const state = await mkdtemp(join(tmpdir(), 'agent-ticket-operations-'));
  const workDir = await mkdtemp(join(tmpdir(), 'agent-ticket-operator-'));
  // npx searches its commands in the current folder.
  for (const name of ['node_modules', 'docs']) await symlink(`${ROOT}${name}`, join(workDir, name));
  const anchor = await listenOnLoopback(0, async (request, response) => {
    await writeFile(join(workDir, 'checkpoint.txt'), await textOf(request));
    response.end();
  });
  const [ports, secrets] = [await freePorts(), makeSecrets()];
  const start = (more: Readonly<Record<string, string>>): Promise<Stack> =>
    startStack({
      ports,
      secrets,
      stateDir: state,
      brokerSettings: { AUDIT_ANCHOR_URL: anchor.url, ...settings.broker, ...more },
      agentWorkerSettings: settings.agentWorker ?? {},
    });
  let stack = await start({});
  const { facts } = stack;
  const operator = { authorization: `Bearer ${secrets.adminToken.clientSecret}` };
  const ask = async (path: string, secret: string, body: object) => {
    const answer = await fetch(`${facts.broker}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: z.looseObject({}).parse(await answer.json()) };
  };

  /** Variables of the operator's shell. */
  const shell = {
    BROKER: facts.broker,
    AUTH: `authorization: ${operator.authorization}`,
    HOME: workDir,
    AGENT_TICKET_BROKER: facts.broker,
    AGENT_TICKET_CLIENT_ID: facts.adminToken.clientId,
    AGENT_TICKET_CLIENT_SECRET: facts.adminToken.clientSecret,
  };

  return {
    facts,
    shell,
    /** The shell blocks of the guide. */
    blocks,

    /** Runs the one block of the guide that contains these words. */
    async run(words: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
      const [block, ...others] = blocks.filter(({ text }) => text.includes(words));
      if (block === undefined || others.length > 0) throw new Error(`not exactly one block has ${words}`);
      return paste(block, { env: { ...shell, ...env }, folder: workDir });
    },

    keyEncryptionKey: secrets.keyEncryptionKey,
    /** Working folder of the operator's shell. */
    workDir,
    stack: () => stack,

    /** Restarts both workers with other settings of the broker. */
    async deploy(more: Readonly<Record<string, string>>): Promise<void> {
      await stack.close();
      stack = await start(more);
    },

    /** Mints a ticket, so that there is an event to seal, and runs the cron trigger of the broker. */
    async seal(): Promise<void> {
      await this.mint('sealed');
      await eventually(async () => {
        const { items } = await this.get('/admin/agents/audit?type=ticket.issued', Page);
        if (items.length === 0) throw new Error('the event of the ticket has not arrived');
      });
      await (await stack.workers.getWorker('broker')).scheduled({ cron: '* * * * *' });
    },

    /** `POST /tickets`, for a counter where no other agent is named. */
    tryMint: (instance: string, secret = secrets.serviceToken.clientSecret, agent = 'counter') =>
      ask('/tickets', secret, { agent, instance }),

    async mint(instance: string, secret?: string) {
      const { body } = await this.tryMint(instance, secret);
      return z.object({ ticket: z.string(), url: z.string(), jti: z.string() }).parse(body);
    },

    /** Makes a service token. */
    async newToken() {
      const { body } = await ask('/admin/service-tokens', secrets.adminToken.clientSecret, { name: 'leaks' });
      return z.object({ id: z.string(), client_secret: z.string() }).parse(body);
    },

    /** `GET` by the operator. */
    async get<T>(path: string, shape: z.ZodType<T>): Promise<T> {
      const answer = await fetch(`${facts.broker}${path}`, { headers: operator });
      return shape.parse(await answer.json());
    },

    async close(): Promise<void> {
      await Promise.all([stack.close(), anchor.close()]);
      await Promise.all([state, workDir].map((folder) => rm(folder, { recursive: true })));
    },
  };
}
export type Deployment = Awaited<ReturnType<typeof startDeployment>>;
