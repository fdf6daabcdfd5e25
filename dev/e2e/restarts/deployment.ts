import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { importKeyEncryptionKey, unseal } from '@agent-ticket/broker/src/keys/seal.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { importJWK, SignJWT } from 'jose';
import * as z from 'zod';
import { quietEnvironment, ROOT } from '../../quiet-environment.ts';
import { type Stack, startStack } from '../../start/stack.ts';
import { freePorts } from '../free-ports.ts';

/** A stack of its own, whose runtime tests may stop, start again, and ask to evict objects. */

const WORKER = `${ROOT}dev/e2e/restarts/worker`;
const KeyRow = z.object({ kid: z.string(), alg: z.string(), purpose: z.string(), sealed: z.string() });
const Ready = z.looseObject({
  agent_events_waiting: z.int(),
  agent_objects_waiting: z.int(),
  waiting_age: z.int().nullable(),
});
const Row = z.object({ id: z.string(), ended_at: z.int().nullable(), end_reason: z.string().nullable() });

export async function startDeployment() {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-restarts-'));
  const secrets = makeSecrets();
  const ports = await freePorts();
  await promisify(execFile)('wrangler', ['deploy', '--dry-run', '--outdir', 'dist'], {
    cwd: WORKER,
    env: quietEnvironment(process.env),
  });
  const start = (): Promise<Stack> =>
    startStack({ ports, secrets, stateDir: join(folder, 'state'), folders: { agentWorker: WORKER } });
  let stack = await start();

  const record = () => stack.workers.getD1Database('RECORD', 'broker');
  const headers = { authorization: `Bearer ${secrets.serviceToken.clientSecret}` };
  return {
    agentWorker: stack.facts.agentWorker,
    record,

    /** As after a crash or a deploy: memory is lost, the data on disk remains. */
    async restart(): Promise<void> {
      await stack.close();
      stack = await start();
    },

    async close(): Promise<void> {
      await stack.close();
      await rm(folder, { recursive: true });
    },

    /** Evicts an object; its sockets hibernate or close. */
    evict: (name: string, webSockets: 'hibernate' | 'close' = 'hibernate'): Promise<void> =>
      stack.workers.unsafeEvictDurableObject('agent-worker', 'Counter', { name, webSockets }),

    /** Runs the cron trigger of the broker. */
    async cron(): Promise<void> {
      const broker = await stack.workers.getWorker('broker');
      await broker.scheduled({ cron: '* * * * *' });
    },

    async post(path: string, body: object, secret = secrets.serviceToken.clientSecret) {
      return fetch(`${stack.facts.broker}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    },

    async mint(instance: string, transport: 'websocket' | 'http' = 'websocket'): Promise<string> {
      const answer = await this.post('/tickets', { agent: 'counter', instance, transport });
      return z.object({ ticket: z.string() }).parse(await answer.json()).ticket;
    },

    terminate: (id: string) => fetch(`${stack.facts.broker}/sessions/${id}`, { method: 'DELETE', headers }),

    /** `DELETE /api/agents/counter/:instance` by its owner: the service token gets that role first. */
    async destroy(instance: string): Promise<Response> {
      const subject = `token:${secrets.serviceToken.id}`;
      const grant = { subject, agent: 'counter', instance, role: 'owner', reason: 'to delete it' };
      const granted = await this.post('/admin/grants', grant, secrets.adminToken.clientSecret);
      if (granted.status !== 201) throw new Error(`no grant: ${granted.status}`);
      return fetch(`${stack.facts.broker}/api/agents/counter/${instance}`, { method: 'DELETE', headers });
    },

    /** A ticket by the broker's key with a chosen end of its session. */
    async sign(instance: string, secondsLeft: number, sub = 'token:tests'): Promise<string> {
      const control = await stack.workers.getD1Database('CONTROL', 'broker');
      const row = KeyRow.parse(
        await control.prepare("SELECT * FROM signing_keys WHERE purpose = 'ticket' LIMIT 1").first(),
      );
      const kek = new Uint8Array(Buffer.from(secrets.keyEncryptionKey, 'base64url'));
      const jwk = await unseal(await importKeyEncryptionKey(kek), row, row.sealed);
      if (jwk === undefined) throw new Error('the signing key does not open');
      const iat = Math.floor(Date.now() / 1000);
      const claims = {
        iss: stack.facts.issuer,
        aud: stack.facts.audience,
        sub,
        jti: randomUUID(),
        iat,
        nbf: iat,
        exp: iat + 60,
        agent: 'counter',
        instance,
        scope: 'agent:connect agent:state:read agent:rpc:increment',
        role: 'admin',
        tier: 'pro',
        transport: 'websocket',
        session_expiry: iat + secondsLeft,
        rev: 0,
      };
      return new SignJWT(claims)
        .setProtectedHeader({ alg: row.alg, typ: 'agent-ticket+jwt', kid: row.kid })
        .sign(await importJWK(jwk, row.alg));
    },

    async sessionsOf(instance: string): Promise<z.infer<typeof Row>[]> {
      const sql =
        'SELECT id, ended_at, end_reason FROM agent_sessions WHERE instance_id = ? ORDER BY started_at';
      const { results } = await (await record()).prepare(sql).bind(instance).all();
      return z.array(Row).parse(results);
    },

    /** Types of the audit events of an instance's objects, in the order of their arrival. */
    async arrived(instance: string): Promise<string[]> {
      const sql =
        "SELECT type FROM audit_events WHERE instance_id = ? AND type <> 'ticket.issued' ORDER BY seq";
      const { results } = await (await record()).prepare(sql).bind(instance).all();
      return z
        .array(z.object({ type: z.string() }))
        .parse(results)
        .map(({ type }) => type);
    },

    /** `GET /readyz`, whatever its status. */
    async ready(): Promise<z.infer<typeof Ready>> {
      return Ready.parse(await (await fetch(`${stack.facts.broker}/readyz`)).json());
    },

    /** `POST /admin/locks` by the operator. */
    lock(target: object): Promise<Response> {
      return this.post('/admin/locks', { target, reason: 'test' }, secrets.adminToken.clientSecret);
    },

    /** The number of open sessions of a principal in the record, and of commands in the outbox. */
    async countsOf(principal: string): Promise<{ open: number; commands: number }> {
      const control = await stack.workers.getD1Database('CONTROL', 'broker');
      const open = (await record())
        .prepare('SELECT count(*) AS n FROM agent_sessions WHERE user_id = ? AND ended_at IS NULL')
        .bind(principal);
      const [sessions, commands] = await Promise.all([
        open.first<number>('n'),
        control.prepare('SELECT count(*) AS n FROM outbox WHERE command IS NOT NULL').first<number>('n'),
      ]);
      return { open: sessions ?? 0, commands: commands ?? 0 };
    },

    /** Makes the sessions of an instance old enough for the reconcile job. */
    async age(instance: string): Promise<void> {
      const sql = 'UPDATE agent_sessions SET started_at = started_at - 120000 WHERE instance_id = ?';
      await (await record()).prepare(sql).bind(instance).run();
    },
  };
}
export type Deployment = Awaited<ReturnType<typeof startDeployment>>;
