import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { verifyExport } from '@agent-ticket/broker/src/audit/proof/verify.ts';
import { runScheduled } from '@agent-ticket/broker/src/runtime/scheduled.ts';
import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { openBrokerOnFiles } from '../../former/broker-on-files.ts';
import { answersOf, asAdmin } from '../../former/questions.ts';
import { ROOT } from '../../quiet-environment.ts';
import { startStack } from '../../start/stack.ts';
import { startWorkers } from '../../start/workers.ts';
import { freePorts } from '../free-ports.ts';
import { FORMER } from './version.ts';

/** The broker of this version on databases that the broker of the former version has written. */

const Credential = z.strictObject({ id: z.string(), clientId: z.string(), clientSecret: z.string() });
const History = z.strictObject({
  now: z.int(),
  secrets: z.strictObject({
    keyEncryptionKey: z.string(),
    tokenPepper: z.string(),
    serviceToken: Credential,
    adminToken: Credential,
  }),
  control: z.array(z.string()),
  record: z.array(z.string()),
  answers: z.record(z.string(), z.unknown()),
});
const DATABASES = ['control', 'record'] as const;
const MINUTE = 60_000;

const history = async () =>
  History.parse(JSON.parse(await readFile(`${ROOT}dev/former/${FORMER}/history.json`, 'utf8')));

/** Secrets of service tokens refer to their tokens. */
const inOrder = (statements: readonly string[]): string[] => {
  const isLast = (text: string) => text.startsWith('INSERT INTO service_token_secrets');
  return [...statements.filter((text) => !isLast(text)), ...statements.filter(isLast)];
};

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-upgrade-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

type Ask = (path: string, init?: RequestInit) => Promise<Response>;

/** The whole log, verified by the keys that the broker publishes. */
async function proofOf(ask: Ask, headers: Readonly<Record<string, string>>) {
  const keys = await (await ask('/.well-known/audit-jwks.json')).arrayBuffer();
  const log = await (await ask('/admin/agents/audit/export', { headers })).text();
  const set = await readKeySet(new Uint8Array(keys), ['ES256', 'Ed25519']);
  return verifyExport(log.trim().split('\n'), set ?? new Map());
}
const SOUND = { content: [], order: [], gaps: [], tail: { faults: [] } };

it('migrations that the former version has applied are as they were', async () => {
  const { control, record } = await history();
  for (const [name, statements] of [
    ['control', control],
    ['record', record],
  ] as const) {
    const noted = statements.flatMap(
      (text) => /__drizzle_migrations.*VALUES \(.*'([0-9a-f]{64})'/.exec(text)?.[1] ?? [],
    );
    const folder = `${ROOT}drizzle/${name}/migrations`;
    const { entries } = z
      .object({ entries: z.array(z.object({ tag: z.string() })) })
      .parse(JSON.parse(await readFile(`${folder}/meta/_journal.json`, 'utf8')));
    const present = await Promise.all(
      entries.map(async ({ tag }) =>
        createHash('sha256')
          .update(await readFile(`${folder}/${tag}.sql`))
          .digest('hex'),
      ),
    );
    expect(noted.length).toBeGreaterThan(0);
    expect(present.slice(0, noted.length)).toEqual(noted);
  }
});

it('libSQL files of the former version answer as before, and go on', { timeout: 120_000 }, async () => {
  const { now, secrets, answers, ...dumps } = await history();
  const folder = await temporaryFolder();
  for (const name of DATABASES) {
    const database = new DatabaseSync(join(folder, `${name}.db`));
    database.exec(inOrder(dumps[name]).join(';\n'));
    database.close();
  }
  let time = now;
  const { ask, ports, close } = await openBrokerOnFiles(folder, secrets, () => time);
  onTestFinished(close);
  // An answer may have more members than before, and none fewer.
  expect(await answersOf(ask, secrets)).toMatchObject(answers);
  await goesOn(ask, secrets);
  time += MINUTE;
  await runScheduled(ports);
  expect(await proofOf(ask, asAdmin(secrets))).toMatchObject(SOUND);
  expect(await (await ask('/readyz')).json()).toMatchObject({
    mint: true,
    audit_seal: 'agrees',
    keys_revoked_in_record: 0,
  });
});

it('D1 databases of the former version answer as before, and go on', { timeout: 120_000 }, async () => {
  const { secrets, answers, ...dumps } = await history();
  const stateDir = await temporaryFolder();
  const ports = await freePorts();
  const former = await startWorkers({
    stateDir,
    onLog: () => {},
    workers: [{ name: 'broker', port: ports.broker, settings: {}, isAlone: true }],
  });
  for (const name of DATABASES) {
    const database = await former.getD1Database(name.toUpperCase(), 'broker');
    // As wrangler counts migrations, in place of drizzle.
    const statements = [
      ...inOrder(dumps[name]).filter((text) => !text.includes('__drizzle_migrations')),
      'CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)',
      "INSERT INTO d1_migrations (name) VALUES ('0000_init.sql')",
    ];
    for (const statement of statements) await database.prepare(statement).run();
  }
  await former.dispose();

  const stack = await startStack({ ports, secrets, stateDir });
  onTestFinished(() => stack.close());
  const ask: Ask = (path, init) => fetch(`${stack.facts.broker}${path}`, init);
  const seeded = ({ body }: { body: unknown }) => JSON.stringify(body);
  const present = await answersOf(ask, secrets);
  const earlier = z.record(z.string(), z.object({ status: z.int(), body: z.unknown() })).parse(answers);
  // The ticket key that signs depends on the time, which is later here.
  for (const path of ['/.well-known/audit-jwks.json', '/admin/locks', '/admin/agents/sessions'])
    expect(present[path], path).toEqual(answers[path]);
  // The stack adds grants of its own people.
  const Items = z.object({ body: z.object({ items: z.array(z.object({ id: z.string() })) }) });
  const idsOf = (all: unknown) => Items.parse(all).body.items.map(({ id }) => id);
  expect(idsOf(present['/admin/grants'])).toEqual(expect.arrayContaining(idsOf(earlier['/admin/grants'])));
  expect(seeded(z.object({ body: z.unknown() }).parse(present['/admin/service-tokens']))).toBe(
    seeded(z.object({ body: z.unknown() }).parse(earlier['/admin/service-tokens'])),
  );
  await goesOn(ask, secrets);
  expect(await proofOf(ask, asAdmin(secrets))).toMatchObject(SOUND);
});

/** Credentials and grants from before get tickets, and every lock and revocation stays in force. */
async function goesOn(ask: Ask, secrets: z.infer<typeof History>['secrets']): Promise<void> {
  const mint = (secret: string) =>
    ask('/tickets', {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify({ agent: 'counter', instance: 'main' }),
    });
  const minted = await mint(secrets.serviceToken.clientSecret);
  expect(minted.status).toBe(201);
  const { ticket } = z.object({ ticket: z.string() }).parse(await minted.json());
  const { kid } = z
    .object({ kid: z.string() })
    .parse(JSON.parse(Buffer.from(ticket.split('.')[0] ?? '', 'base64url').toString()));
  const Keys = z.object({ items: z.array(z.object({ kid: z.string(), state: z.string() })) });
  const { items } = Keys.parse(await (await ask('/admin/keys', { headers: asAdmin(secrets) })).json());
  expect(items.find((key) => key.kid === kid)?.state).toBe('active');
  expect(items.filter(({ state }) => state === 'revoked')).toHaveLength(1);
}
