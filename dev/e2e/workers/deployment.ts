import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { importKeyEncryptionKey, unseal } from '@agent-ticket/broker/src/keys/seal.ts';
import { openControl } from '@agent-ticket/drizzle/control/open-d1.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { importJWK, type JWTPayload, SignJWT } from 'jose';
import * as z from 'zod';
import { quietEnvironment, ROOT } from '../../quiet-environment.ts';
import { migrate } from '../../start/migrations.ts';
import { seed } from '../../start/seed.ts';
import { restartWorkers, startWorkers, type WorkersOptions } from '../../start/workers.ts';
import { freePorts } from '../free-ports.ts';

/** A deployment of somebody who has this project as a dependency: a registry, a broker, one agent worker, then two. */

const FILES = `${ROOT}dev/e2e/workers`;
export const AUDIENCES = { main: 'main.test', notes: 'notes.test' } as const;

const KeyRow = z.object({ kid: z.string(), alg: z.string(), purpose: z.string(), sealed: z.string() });
const Ready = z.looseObject({ workers_differing: z.int(), workers_unanswered: z.int() });

export async function startDeployment() {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-workers-'));
  const secrets = makeSecrets();
  const ports = await freePorts();
  const at = (port: number) => `http://127.0.0.1:${port}`;
  const [broker, main, notes] = [at(ports.broker), at(ports.agentWorker), at(ports.identityProvider)];
  const road = await openRoad(notes);

  await cp(`${FILES}/adopter`, folder, { recursive: true });
  await symlink(`${ROOT}node_modules`, join(folder, 'node_modules'));
  const build = (name: string) =>
    promisify(execFile)('wrangler', ['deploy', '--dry-run', '--outdir', 'dist'], {
      cwd: join(folder, name),
      env: quietEnvironment(process.env),
    });

  const common = { ISSUER: broker, MODE: 'development' };
  const lines: string[] = [];
  const options = (isGrown: boolean): WorkersOptions => ({
    stateDir: join(folder, 'state'),
    onLog: (line) => lines.push(line),
    workers: [
      {
        name: 'broker',
        folder: join(folder, 'broker'),
        port: ports.broker,
        settings: {
          ...common,
          TICKET_AUDIENCE: AUDIENCES.main,
          AGENT_WORKER_URL: main,
          KEK: secrets.keyEncryptionKey,
          TOKEN_PEPPER: secrets.tokenPepper,
          ...(isGrown && {
            WORKERS: JSON.stringify({ notes: { url: road.url, audience: AUDIENCES.notes } }),
          }),
        },
      },
      {
        name: 'main',
        folder: join(folder, 'main'),
        port: ports.agentWorker,
        settings: { ...common, TICKET_AUDIENCE: AUDIENCES.main },
      },
      ...(isGrown
        ? [
            {
              name: 'notes',
              folder: join(folder, 'notes'),
              port: ports.identityProvider,
              settings: { ...common, TICKET_AUDIENCE: AUDIENCES.notes },
            },
          ]
        : []),
    ],
  });

  await Promise.all([build('broker'), build('main')]);
  const workers = await startWorkers(options(false));
  const control = () => workers.getD1Database('CONTROL', 'broker');
  await migrate(await control(), 'control');
  await migrate(await workers.getD1Database('RECORD', 'broker'), 'record');
  await seed(openControl(await control()), secrets, Date.now());

  const as = ({ clientSecret }: { readonly clientSecret: string }) => ({
    authorization: `Bearer ${clientSecret}`,
    'content-type': 'application/json',
  });
  const post = (path: string, body: object, who: { readonly clientSecret: string }) =>
    fetch(`${broker}${path}`, { method: 'POST', headers: as(who), body: JSON.stringify(body) });

  return {
    secrets,
    /** What the workers printed. */
    lines,
    urls: { main, notes: road.url },
    /** The way from the broker to the second worker. Sockets do not use it. */
    road,

    /** Adds the agent and the worker, and deploys the broker with both. */
    async grow(): Promise<void> {
      await cp(`${FILES}/second-worker`, folder, { recursive: true });
      await Promise.all([build('broker'), build('notes')]);
      await restartWorkers(workers, options(true));
    },

    /** Deploys a worker anew. */
    async deploy(name: string): Promise<void> {
      await build(name);
      await restartWorkers(workers, options(true));
    },

    listAgents: async (): Promise<unknown> =>
      (await fetch(`${broker}/api/agents`, { headers: as(secrets.serviceToken) })).json(),

    async mint(agent: string, instance: string): Promise<{ ticket: string; url: string }> {
      const answer = await post('/tickets', { agent, instance, expires_in: 300 }, secrets.serviceToken);
      return z.looseObject({ ticket: z.string(), url: z.string() }).parse(await answer.json());
    },

    /** Where a socket of a ticket goes: to the second worker itself, so that it stays when the road is closed. */
    socketUrl: (url: string): string =>
      url.replace(road.url.replace('http', 'ws'), notes.replace('http', 'ws')),

    async lock(target: object): Promise<{ status: number; id: string; receipt: unknown }> {
      const answer = await post('/admin/locks', { target, reason: 'test' }, secrets.adminToken);
      const { id, receipt } = z
        .looseObject({ id: z.string(), receipt: z.unknown() })
        .parse(await answer.json());
      return { status: answer.status, id, receipt };
    },

    lift: (id: string) =>
      fetch(`${broker}/admin/locks/${id}`, { method: 'DELETE', headers: as(secrets.adminToken) }),

    /** Runs the tasks of a minute, with every change of the outbox due. */
    async minute(): Promise<void> {
      await (await control()).prepare('UPDATE outbox SET due_at = 0').run();
      await (await workers.getWorker('broker')).scheduled({ cron: '* * * * *' });
    },

    /** Audiences of the workers that have each waiting command. */
    async delivered(): Promise<unknown[]> {
      const { results } = await (await control())
        .prepare('SELECT delivered FROM outbox WHERE command IS NOT NULL')
        .all();
      return z
        .array(z.object({ delivered: z.string() }))
        .parse(results)
        .map(({ delivered }) => JSON.parse(delivered));
    },

    async openSessions(): Promise<unknown[]> {
      const record = await workers.getD1Database('RECORD', 'broker');
      const sql =
        'SELECT agent_slug, instance_id, audience FROM agent_sessions WHERE ended_at IS NULL ORDER BY agent_slug';
      return (await record.prepare(sql).all()).results;
    },

    async ready() {
      const text = await (await fetch(`${broker}/readyz`)).text();
      return { text, ...Ready.parse(JSON.parse(text)) };
    },

    /** A ticket by the key of the broker, with claims that it would not make. */
    async sign(claims: JWTPayload): Promise<string> {
      const row = KeyRow.parse(
        await (await control()).prepare("SELECT * FROM signing_keys WHERE purpose = 'ticket'").first(),
      );
      const kek = new Uint8Array(Buffer.from(secrets.keyEncryptionKey, 'base64url'));
      const jwk = await unseal(await importKeyEncryptionKey(kek), row, row.sealed);
      if (jwk === undefined) throw new Error('the signing key does not open');
      return new SignJWT({ ...claims, jti: randomUUID() })
        .setProtectedHeader({ alg: row.alg, typ: 'agent-ticket+jwt', kid: row.kid })
        .sign(await importJWK(jwk, row.alg));
    },

    async close(): Promise<void> {
      await workers.dispose();
      road.close();
      await rm(folder, { recursive: true });
    },
  };
}
export type Deployment = Awaited<ReturnType<typeof startDeployment>>;

/** Passes requests on to an address, until it is closed: then it breaks every connection. */
async function openRoad(to: string) {
  const server = createServer(async (incoming, outgoing) => {
    if (!road.isOpen) return void incoming.socket.destroy();
    const { authorization = '' } = incoming.headers;
    const answer = await fetch(`${to}${incoming.url}`, {
      method: incoming.method ?? 'GET',
      headers: { authorization },
    });
    outgoing.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP address');
  const road = { url: `http://127.0.0.1:${address.port}`, isOpen: true, close: () => server.close() };
  return road;
}
