import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sealAudit } from '@agent-ticket/broker/src/audit/sealer.ts';
import { runScheduled } from '@agent-ticket/broker/src/runtime/scheduled.ts';
import { TicketId } from '@agent-ticket/shared/names.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { seed } from '../start/seed.ts';
import { openBrokerOnFiles } from './broker-on-files.ts';
import { answersOf, asAdmin } from './questions.ts';

/*
 * Run by `make.ts` in the tree of an earlier version: has its broker work for some minutes on new databases, and writes
 * both as SQL, with the broker's answers about them, into the named file.
 */

const [target = ''] = process.argv.slice(2);
/** 2026-11-29T12:00:00Z. */
const START = 1_795_953_600_000;
const MINUTE = 60_000;

const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-history-'));
const secrets = makeSecrets();
let now = START;
const broker = await openBrokerOnFiles(folder, secrets, () => now);
const { control, record, auditKeyring, keyring } = broker.ports;
await seed(control, secrets, now);

const send = async (method: string, path: string, body?: object) => {
  const headers = { ...asAdmin(secrets), 'content-type': 'application/json' };
  const answer = await broker.ask(path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status} ${await answer.text()}`);
  const read: unknown = await answer.json();
  return read as { readonly id: string; readonly kid: string };
};

await keyring.rows(now);
await auditKeyring.rows(now);
const grant = { subject: 'auth0:people.test:1', agent: 'counter', instance: 'main', role: 'viewer' };
await send('POST', '/admin/grants', { ...grant, reason: 'kept' });
const deleted = await send('POST', '/admin/grants', {
  ...grant,
  subject: 'auth0:people.test:2',
  reason: 'ends',
});
await send('DELETE', `/admin/grants/${deleted.id}?reason=over`);
await send('POST', '/admin/locks', {
  target: { kind: 'principal', id: 'auth0:people.test:3' },
  reason: 'kept',
});
const lifted = await send('POST', '/admin/locks', {
  target: { kind: 'agent', agent: 'counter' },
  reason: 'ends',
});
await send('DELETE', `/admin/locks/${lifted.id}?reason=over`);
const token = await send('POST', '/admin/service-tokens', { name: 'ends' });
await send('DELETE', `/admin/service-tokens/${token.id}?reason=over`);
await send('POST', '/tickets', { agent: 'counter', instance: 'main' });

for (const ends of [true, false]) {
  const [id, jti] = [crypto.randomUUID(), TicketId.parse(crypto.randomUUID())];
  const party = { principal: 'auth0:people.test:1', agent: 'counter', instance: 'main', jti } as const;
  await record.deliver(
    [
      {
        event: {
          ...party,
          eventId: crypto.randomUUID(),
          at: now,
          type: 'session.opened',
          outcome: 'success',
          sessionId: id,
        },
        opened: {
          ...{
            ...party,
            id,
            kid: 'history',
            audience: 'agents.test',
            role: 'viewer',
            scope: 'agent:connect',
          },
          ...{
            rev: 0,
            grantId: null,
            loginId: null,
            startedAt: now,
            ipAddress: '192.0.2.9',
            userAgent: 'history',
          },
        },
      },
      ...(ends ? [{ ended: { id, at: now + MINUTE, reason: 'client_closed' } }] : []),
    ] as never,
    now,
  );
}

const [key] = await keyring.rows(now);
for (let minute = 0; minute < 3; minute += 1) {
  await runScheduled(broker.ports);
  await sealAudit(broker.ports, now);
  now += MINUTE;
}
// The first ticket key was revoked: it must stay so.
await send('POST', `/admin/keys/${key?.kid}/revoke?reason=leaked`);
await send('POST', '/admin/keys/rotate', {});
await runScheduled(broker.ports);
now += MINUTE;
await runScheduled(broker.ports);
const answers = await answersOf(broker.ask, secrets);
await broker.close();

/** Every table with its rows, as statements. */
function statementsOf(file: string): string[] {
  const database = new DatabaseSync(file);
  const literal = (value: unknown): string =>
    value === null || typeof value === 'number'
      ? String(value ?? 'NULL')
      : `'${String(value).replaceAll("'", "''")}'`;
  const made = database
    .prepare(
      "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC",
    )
    .all();
  const rows = made
    .filter(({ type }) => type === 'table')
    .flatMap(({ name }) =>
      database
        .prepare(`SELECT * FROM ${name}`)
        .all()
        .map(
          (row) =>
            `INSERT INTO ${name} (${Object.keys(row).join(', ')}) VALUES (${Object.values(row).map(literal).join(', ')})`,
        ),
    );
  database.close();
  return [...made.map(({ sql }) => String(sql)), ...rows];
}

const [controlSql, recordSql] = [
  statementsOf(join(folder, 'control.db')),
  statementsOf(join(folder, 'record.db')),
];
await writeFile(
  target,
  `${JSON.stringify({ now, secrets, control: controlSql, record: recordSql, answers }, null, 1)}\n`,
);
await rm(folder, { recursive: true });
