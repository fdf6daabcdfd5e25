import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { kidOf, post } from '../broker.ts';
import { paste } from '../documents.ts';
import { nextFrame, openSocket } from '../sockets.ts';
import { type Deployment, Page, startDeployment } from './deployment.ts';

/** Runs every block of the pages of docs/operate that are steps, unchanged and in its order. */

let deployment: Deployment;
beforeAll(async () => {
  deployment = await startDeployment();
  await deployment.seal();
});
afterAll(() => deployment?.close());

const run = (words: string, env?: Readonly<Record<string, string>>): Promise<string> =>
  deployment.run(words, env);
/** Runs a command of the table on leaks, with its values in place. */
async function runFromTable(command: string, values: Readonly<Record<string, string>>): Promise<string> {
  expect(await readFile(join(deployment.workDir, 'docs/operate/leaks.md'), 'utf8')).toContain(
    `\`${command}\``,
  );
  const filled = command.replace(/<(\w+)>/g, (_all, name: string) => values[name] ?? '');
  const text = `npx agent-ticket ${filled} --reason "a leak" --yes`;
  return paste({ text }, { env: deployment.shell, folder: deployment.workDir });
}
const json = async (answer: Promise<string>): Promise<unknown> => JSON.parse(await answer);

/** An admitted socket, and the id of its session once the record has it. */
async function openSession(instance: string, secret?: string) {
  const { url, ticket } = await deployment.mint(instance, secret);
  const opened = openSocket(url);
  await nextFrame(opened.socket);
  const session = await eventually(async () => {
    const path = `/admin/agents/sessions?agent=counter&instance=${instance}&active=true`;
    const [found] = (await deployment.get(path, Page)).items;
    return z.object({ id: z.string() }).parse(found).id;
  });
  return { ...opened, ticket, session };
}

const Key = z.looseObject({ kid: z.string(), state: z.string() });
const Keys = z.object({ items: z.array(Key) });
const published = async (): Promise<string[]> => {
  const answer = await fetch(`${deployment.facts.broker}/.well-known/jwks.json`);
  return z
    .object({ keys: z.array(Key.pick({ kid: true })) })
    .parse(await answer.json())
    .keys.map(({ kid }) => kid);
};

const TESTED = [
  '/readyz',
  '/admin/keys/rotate',
  '"$BROKER/admin/keys"',
  '/revoke"',
  '/admin/keys/reseal',
  '/sessions/terminate',
  '"kind": "everything"',
  '/admin/locks/$LOCK',
  'principal=$PRINCIPAL',
  'request_id=$REQUEST',
  'export?after=0',
  'export?after=$LAST',
  'day.ndjson',
  'audit verify audit.ndjson',
  'audit_verify.py',
  'audit seal --json',
  'principals forget',
  '/admin/principals',
];

it('the tests below run every block', () => {
  expect(deployment.blocks.map(({ text }) => TESTED.filter((words) => text.includes(words)))).toEqual(
    TESTED.map((words) => [words]),
  );
});

describe('docs/operate', () => {
  it('shows the state of the broker', async () => {
    await eventually(async () =>
      expect(await json(run('/readyz'))).toEqual({
        status: 'ready',
        mint: true,
        verify: true,
        record: true,
        events_waiting: 0,
        agent_events_waiting: 0,
        agent_objects_waiting: 0,
        waiting_age: null,
        changes_waiting: 0,
        checkpoint_age: expect.any(Number),
        archive_overdue: null,
        key_sets_unusable: [],
        agents_in_rollout: 0,
        audit_seal: 'agrees',
        keys_revoked_in_record: 0,
        workers_differing: 0,
        workers_unanswered: 0,
      }),
    );
  });

  it('rotates, by schedule and at once, with another algorithm, and the key of the audit log', async () => {
    const rotate = async (body: object): Promise<unknown> => {
      const found = deployment.blocks.find(({ text }) => text.includes('/admin/keys/rotate'))?.text ?? '';
      const text = found.replace("'{}'", `'${JSON.stringify(body)}'`);
      return JSON.parse(await paste({ text }, { env: deployment.shell }));
    };
    const before = await published();
    const next = Key.parse(await json(run('/admin/keys/rotate')));
    expect(next.state).toBe('pending');
    expect((await published()).toSorted()).toEqual([...before, next.kid].toSorted());
    expect(await rotate({})).toMatchObject({ error: { code: 'CONFLICT' } });

    const document = await readFile(new URL('../../../docs/operate/keys.md', import.meta.url), 'utf8');
    const bodies = ['{"alg": "Ed25519"}', '{"activate": "now"}', '{"purpose": "audit"}'];
    expect(bodies.filter((body) => !document.includes(`\`${body}\``))).toEqual([]);
    const [alg = {}, now = {}, audit = {}] = bodies.map((body) => z.looseObject({}).parse(JSON.parse(body)));
    expect(await rotate({ ...audit, ...now, ...alg })).toMatchObject({ state: 'active', alg: 'Ed25519' });
    expect(await rotate(audit)).toMatchObject({ state: 'pending', alg: 'Ed25519' });
  });

  it('revokes a leaked key: its sockets close, and the key set lacks it at once', async () => {
    const { closed, ticket } = await openSession('leaked-key');
    const { items } = Keys.parse(await json(run('"$BROKER/admin/keys"')));
    const KID = kidOf(ticket);
    expect(items.find(({ kid }) => kid === KID)).toMatchObject({ state: 'active' });
    const revoked = z.looseObject({ signing: z.string() }).parse(await json(run('/revoke"', { KID })));
    expect(revoked).toMatchObject({ kid: KID, state: 'revoked', receipt: { closed: 1 } });
    expect(await closed).toMatchObject({ code: 4003 });
    expect(await published()).not.toContain(KID);
    expect(kidOf((await deployment.mint('leaked-key')).ticket)).toBe(revoked.signing);
  });

  it('changes KEK without a refusal, and a wrong KEK signs nothing and damages nothing', async () => {
    const [KEK, wrong] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')];
    const before = await published();
    await deployment.deploy({ KEK, KEK_PREVIOUS: deployment.keyEncryptionKey });
    expect((await deployment.tryMint('kek')).status).toBe(201);
    const Resealed = z.object({ resealed: z.int(), unreadable: z.array(z.string()) });
    const first = Resealed.parse(await json(run('/admin/keys/reseal')));
    expect(first.resealed).toBeGreaterThan(0);
    expect(await json(run('/admin/keys/reseal'))).toMatchObject({ resealed: 0, unreadable: [] });

    await deployment.deploy({ KEK: wrong });
    expect(await json(run('/readyz'))).toMatchObject({
      error: { code: 'UNAVAILABLE', message: expect.stringContaining('key') },
    });
    expect((await deployment.tryMint('kek')).status).toBe(503);
    await deployment.deploy({ KEK });
    expect((await deployment.tryMint('kek')).status).toBe(201);
    expect((await published()).toSorted()).toEqual(before.toSorted());
  });

  it('ends the session of a leaked ticket', async () => {
    const { closed, ticket } = await openSession('leaked-ticket');
    const { jti = '' } = decodeJwt(ticket);
    await runFromTable('locks create ticket:<jti>', { jti });
    expect(await closed).toMatchObject({ code: 4003 });
  });

  it('revokes a leaked service token: its secret no longer works, and its sockets close', async () => {
    const { id, client_secret } = await deployment.newToken();
    const { closed } = await openSession('leaked-token', client_secret);
    await runFromTable('service-tokens delete <id>', { id });
    expect(await closed).toMatchObject({ code: 4003 });
    expect((await deployment.tryMint('leaked-token', client_secret)).status).toBe(401);
  });

  it('locks everything, and lifts that again', async () => {
    const { closed } = await openSession('locked');
    const lock = z.looseObject({ id: z.string() }).parse(await json(run('"kind": "everything"')));
    expect(await closed).toMatchObject({ code: 4003 });
    expect((await deployment.tryMint('locked')).status).toBe(403);
    await run('/admin/locks/$LOCK', { LOCK: lock.id });
    expect((await deployment.tryMint('locked')).status).toBe(201);
  });

  it('finds a person by the address, and ends all sessions of the person', async () => {
    const made = await post(deployment.facts.access.tokenUrl, {}, { email: 'ada@example.com' });
    const { token } = z.object({ token: z.string() }).parse(await made.json());
    const headers = { 'cf-access-jwt-assertion': token };
    const minted = await post(`${deployment.facts.broker}/tickets`, headers, {
      ...{ agent: 'counter', instance: 'person' },
    });
    const { url } = z.object({ url: z.string() }).parse(await minted.json());
    const { socket, closed } = openSocket(url);
    await nextFrame(socket);
    const [person] = await eventually(async () => {
      const { items } = Page.parse(await json(run('/admin/principals')));
      expect(items).toMatchObject([{ label: 'ada@example.com', live_sessions: 1 }]);
      return items;
    });
    const ended = await json(run('/sessions/terminate'));
    expect(ended).toMatchObject({ target: { id: person?.id }, receipt: { closed: 1 } });
    expect(await closed).toMatchObject({ code: 4003 });
  });

  it('shows why a request was refused', async () => {
    const { id, client_secret } = await deployment.newToken();
    const { status, body } = await deployment.tryMint('sub-agents', client_secret, 'mcp-agent');
    expect(status).toBe(403);
    const { error } = z.object({ error: z.object({ request_id: z.string() }) }).parse(body);
    await eventually(async () => {
      const { items } = Page.parse(await json(run('request_id=$REQUEST', { REQUEST: error.request_id })));
      expect(items).toMatchObject([{ principal: `token:${id}`, type: 'ticket.denied' }]);
    });
  });

  it('shows the events of a principal', async () => {
    const PRINCIPAL = `token:${deployment.facts.serviceToken.id}`;
    const { items } = Page.parse(await json(run('principal=$PRINCIPAL', { PRINCIPAL })));
    expect(new Set(items.map(({ principal }) => principal))).toEqual(new Set([PRINCIPAL]));
    expect(items.map(({ type }) => type)).toContain('ticket.issued');
  });

  it('exports, continues the export later, and verifies it against the anchor', async () => {
    await run('export?after=0');
    await deployment.mint('later');
    await eventually(async () => {
      await run('export?after=$LAST');
      expect(await readFile(join(deployment.workDir, 'audit.ndjson'), 'utf8')).toContain(
        '"instance":"later"',
      );
    });
    const output = await run('audit verify audit.ndjson');
    expect(output).toMatch(/content +ok/);
    expect(output).toMatch(/gaps +ok/);
    await run('day.ndjson');
    expect(JSON.parse(await run('audit_verify.py'))).toMatchObject({ sound: true, anchored: true, from: 1 });
    expect(await run('audit seal --json')).toMatch(/tail +ok/);
  });

  it('finds a person by an address, and deletes what is kept about that person', async () => {
    const { broker, access } = deployment.facts;
    const asked = await fetch(access.tokenUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'ann@example.com' }),
    });
    const { token } = z.object({ token: z.string() }).parse(await asked.json());
    const headers = { 'cf-access-jwt-assertion': token, 'content-type': 'application/json' };
    const me = await (await fetch(`${broker}/me`, { headers })).json();
    const { principal } = z.object({ principal: z.string() }).parse(me);
    await fetch(`${broker}/tickets`, {
      method: 'POST',
      headers,
      body: '{"agent":"lobby","instance":"main"}',
    });
    const labels = () => deployment.get('/admin/principals?label=ann@', Page);
    await eventually(async () => expect((await labels()).items).toMatchObject([{ id: principal }]));

    const found = deployment.blocks.find(({ text }) => text.includes('principals forget'))?.text ?? '';
    const text = found.replace('auth0:example.eu.auth0.com:auth0|1', principal).trim().concat(' --yes');
    const said = await paste({ text }, { env: deployment.shell, folder: deployment.workDir });
    expect(said).toContain('ann@example.com');
    expect((await labels()).items).toEqual([]);
  });
});
