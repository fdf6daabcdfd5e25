import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import * as z from 'zod';
import { listenOnLoopback } from '../../identity-provider/loopback-server.ts';
import { ROOT } from '../../quiet-environment.ts';
import { makeSecrets } from '../../start/secrets.ts';
import { type Stack, startStack } from '../../start/stack.ts';
import { freePorts } from '../free-ports.ts';

/** A stack of its own for one operator, who may deploy it with other settings, and a place that keeps checkpoints. */
export async function openStand(settings: {
  readonly broker: Readonly<Record<string, string>>;
  readonly agentWorker: Readonly<Record<string, string>>;
}) {
  const state = await mkdtemp(join(tmpdir(), 'agent-ticket-operations-'));
  const desk = await mkdtemp(join(tmpdir(), 'agent-ticket-desk-'));
  // npx looks for its commands in the folder where it is called.
  await symlink(`${ROOT}node_modules`, join(desk, 'node_modules'));
  const anchor = await listenOnLoopback(0, async (request, response) => {
    await writeFile(join(desk, 'checkpoint.txt'), await text(request));
    response.end();
  });
  const [ports, secrets] = [await freePorts(), makeSecrets()];
  const start = (more: Readonly<Record<string, string>>): Promise<Stack> =>
    startStack({
      ports,
      secrets,
      stateDir: state,
      brokerSettings: { AUDIT_ANCHOR_URL: anchor.url, ...settings.broker, ...more },
      agentWorkerSettings: settings.agentWorker,
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

  return {
    facts,
    keyEncryptionKey: secrets.keyEncryptionKey,
    /** Where the operator's shell is. */
    desk,
    /** What the operator has set in it. */
    shell: { BROKER: facts.broker, AUTH: `authorization: ${operator.authorization}`, HOME: desk },
    stack: () => stack,

    /** Both workers anew, with other settings of the broker. */
    async deploy(more: Readonly<Record<string, string>>): Promise<void> {
      await stack.close();
      stack = await start(more);
    },

    /** What the cron trigger of the broker does. */
    async cron(): Promise<void> {
      await (await stack.workers.getWorker('broker')).scheduled({ cron: '* * * * *' });
    },

    /** `POST /tickets` for a counter. */
    tryMint: (instance: string, secret = secrets.serviceToken.clientSecret) =>
      ask('/tickets', secret, { agent: 'counter', instance }),

    async mint(instance: string, secret?: string) {
      const { body } = await this.tryMint(instance, secret);
      return z.object({ ticket: z.string(), url: z.string(), jti: z.string() }).parse(body);
    },

    /** A service token of its own. */
    async newToken() {
      const { body } = await ask('/admin/service-tokens', secrets.adminToken.clientSecret, { name: 'leaks' });
      return z.object({ id: z.string(), client_secret: z.string() }).parse(body);
    },

    /** `GET` of the operator's. */
    async look<T>(path: string, shape: z.ZodType<T>): Promise<T> {
      const answer = await fetch(`${facts.broker}${path}`, { headers: operator });
      return shape.parse(await answer.json());
    },

    async close(): Promise<void> {
      await Promise.all([stack.close(), anchor.close()]);
      await Promise.all([state, desk].map((folder) => rm(folder, { recursive: true })));
    },
  };
}
export type Stand = Awaited<ReturnType<typeof openStand>>;
