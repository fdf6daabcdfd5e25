import { env } from 'cloudflare:workers';
import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { decodeProtectedHeader } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { verifyExport } from '../src/audit/proof/verify.ts';
import { sealAudit } from '../src/audit/sealer.ts';
import { flushOutbox } from '../src/revocation/outbox.ts';
import type { BrokerPorts } from '../src/runtime/ports.ts';
import { emptyAuditLog, exportText, writeEvents } from './audit-log.ts';
import { startBroker } from './broker.ts';
import { call, expectRefusal, type Front, withoutFigures } from './call.ts';
import { setClock } from './clock.ts';
import { failing, forgetKeys } from './databases.ts';
import { keyRows, listKeys, publishedKids, rotate } from './keys.ts';
import { outbound } from './outbound.ts';
import { eventsWith } from './record.ts';
import { SETTINGS } from './settings.ts';
import { makeToken } from './tokens.ts';

const chief = await makeToken({
  tier: 'admin',
  permissions: ['keys:read', 'keys:rotate', 'keys:revoke', 'locks:read'],
});
const NEW_KEK = `${'b'.repeat(42)}A`;

const revoke = (front: Front, kid: string, headers = chief.pair) =>
  call(`/admin/keys/${kid}/revoke`, { method: 'POST', headers, front });
const reseal = async (front: Front) =>
  JSON.parse((await call('/admin/keys/reseal', { method: 'POST', headers: chief.pair, front })).text);
/** The one key, when the event of its making has been delivered. */
const only = async (front: Front) => {
  const [key] = await listKeys(front);
  await flushOutbox(startBroker().ports);
  return key?.kid ?? '';
};

const Receipt = z.looseObject({ closed: z.int(), pending: z.int() });
const Revoked = z.looseObject({
  kid: z.string(),
  state: z.literal('revoked'),
  signing: z.string(),
  receipt: Receipt,
});

beforeEach(async () => {
  await forgetKeys();
  await env.CONTROL.batch(
    ['revocations', 'outbox'].map((name) => env.CONTROL.prepare(`DELETE FROM ${name}`)),
  );
  outbound.serve(`${SETTINGS.AGENT_WORKER_URL}/control`, () =>
    Response.json({ closed: 3, objects: 2, unreachable: 0, pending: 0, ms: 1 }),
  );
});

describe('revoking a key', () => {
  it('takes it out of the set, has another sign, locks it and closes its sockets', async () => {
    const { front } = startBroker();
    const kid = await only(front);
    const reply = await revoke(front, kid);
    expect(reply.status).toBe(200);
    const body = Revoked.parse(JSON.parse(reply.text));
    expect(body).toMatchObject({ kid, receipt: { closed: 3 } });
    expect(await publishedKids(front)).toEqual([body.signing]);
    const { results: locks } = await env.CONTROL.prepare(
      'SELECT target, kind, until, code, reason FROM revocations',
    ).all();
    expect(locks).toEqual([
      { target: `key:${kid}`, kind: 'any', until: null, code: 'locked', reason: 'the key was revoked' },
    ]);
    const { results: left } = await env.CONTROL.prepare('SELECT * FROM outbox').all();
    expect(left).toEqual([]);
    await eventually(async () =>
      expect(await eventsWith('kid', kid)).toEqual(
        expect.arrayContaining([expect.objectContaining({ type: 'key.revoked', user_id: chief.principal })]),
      ),
    );
  });

  it('shows among the locks, and its command is signed by the key that follows', async () => {
    const tokens: string[] = [];
    const sendControl = async (_worker: unknown, token: string) => {
      tokens.push(token);
      return Response.json({ closed: 0, objects: 0, unreachable: 0, pending: 0, ms: 0 });
    };
    const { front } = startBroker({ runtime: { sendControl } });
    const kid = await only(front);
    const { signing } = Revoked.parse(JSON.parse((await revoke(front, kid)).text));
    expect(tokens.map((token) => decodeProtectedHeader(token).kid)).toEqual([signing]);
    const { items } = JSON.parse((await call('/admin/locks', { headers: chief.pair, front })).text);
    expect(items).toMatchObject([{ target: { kind: 'key', kid }, reason: 'the key was revoked' }]);
  });

  it('is done, and pending for its sockets, while the agent worker is away', async () => {
    const { front } = startBroker();
    const kid = await only(front);
    outbound.serve(`${SETTINGS.AGENT_WORKER_URL}/control`, () => new Response(null, { status: 503 }));
    expect((await revoke(front, kid)).status).toBe(202);
    expect(await publishedKids(front)).not.toContain(kid);
    expect(JSON.parse((await call('/readyz', { front })).text)).toMatchObject({ changes_waiting: 1 });
  });

  it('is in force, with its event and its command kept, while the record database is away', async () => {
    const { front } = startBroker();
    const kid = await only(front);
    const record = failing(env.RECORD, () => new Error('Network connection lost'));
    const reply = await revoke(startBroker({ record }).front, kid);
    expect([reply.status, JSON.parse(reply.text).receipt.pending]).toEqual([202, 1]);
    const revoked = async () => (await eventsWith('kid', kid)).filter(({ type }) => type === 'key.revoked');
    expect(await revoked()).toEqual([]);
    setClock(5);
    await flushOutbox(startBroker().ports);
    expect(await revoked()).toHaveLength(1);
    expect(await startBroker().ports.control.outbox.count()).toBe(0);
  });

  it.each([
    [
      'without the permission',
      '403 FORBIDDEN',
      async () => (await makeToken({ permissions: ['keys:rotate'] })).pair,
      undefined,
    ],
    ['by a name that is none', '400 BAD_REQUEST', async () => chief.pair, 'nonsense'],
    ['of which there is none', '404 NOT_FOUND', async () => chief.pair, 'x'.repeat(43)],
  ] as const)('%s is a %s', async (_what, expected, headers, name) => {
    const { front } = startBroker();
    expectRefusal(await revoke(front, name ?? (await only(front)), await headers()), expected);
  });

  it('a second time is a conflict', async () => {
    const { front } = startBroker();
    const kid = await only(front);
    await revoke(front, kid);
    const { message } = expectRefusal(await revoke(front, kid), '409 CONFLICT');
    expect(message).toContain('the key was revoked at');
  });
});

describe('a new key-encryption key', () => {
  const both = { KEK: NEW_KEK, KEK_PREVIOUS: SETTINGS.KEK };

  it('opens what the previous one sealed, seals it anew, and then needs it no more', async () => {
    const kid = await only(startBroker().front);
    const { front } = startBroker({ settings: both });
    await rotate(front, { activate: 'now' });
    expect(await reseal(front)).toMatchObject({ resealed: expect.any(Number), unreadable: [] });
    expect(await reseal(front)).toMatchObject({ resealed: 0, unreadable: [] });
    expect(await publishedKids(startBroker({ settings: { KEK: NEW_KEK } }).front)).toContain(kid);
  });

  it('without the previous one opens nothing: readiness says so, and no key is made', async () => {
    const kid = await only(startBroker().front);
    const { front } = startBroker({ settings: { KEK: NEW_KEK } });
    const { message } = expectRefusal(withoutFigures(await call('/readyz', { front })), '503 UNAVAILABLE');
    expect(message).toContain('KEK');
    expectRefusal(await revoke(front, 'x'.repeat(43)), '404 NOT_FOUND');
    expect((await keyRows()).map((row) => row.kid)).toEqual([kid]);
    expect(await reseal(front)).toMatchObject({ unreadable: expect.arrayContaining([kid]) });
  });

  it.each([
    ['KEK_PREVIOUS', { KEK_PREVIOUS: SETTINGS.KEK }],
    ['KEK_PREVIOUS', { KEK_PREVIOUS: 'short' }],
    ['KEY_PUBLISH_LEAD_SECONDS', { KEY_PUBLISH_LEAD_SECONDS: '424' }],
    ['KEY_RETIRE_LAG_SECONDS', { KEY_RETIRE_LAG_SECONDS: '309' }],
    ['KEY_ROTATION_DAYS', { KEY_ROTATION_DAYS: '1', KEY_PUBLISH_LEAD_SECONDS: '86400' }],
    ['KEY_ROTATION_DAYS', { KEY_ROTATION_DAYS: '1.5' }],
  ])('%s that is not safe refuses to start, by name: %o', (name, settings) => {
    expect(() => startBroker({ settings })).toThrow(name);
  });
});

describe('an audit key', () => {
  const auditKeys = async (front: Front): Promise<{ kid: string; state: string }[]> =>
    JSON.parse((await call('/admin/keys?purpose=audit', { headers: chief.pair, front })).text).items;
  const turn = (front: Front, body: object) =>
    call('/admin/keys/rotate', { headers: chief.pair, json: body, front });

  it('is rotated by name of its purpose; checkpoints before and after are sound, and tickets know nothing of it', async () => {
    await emptyAuditLog();
    const { front, ports } = startBroker();
    await ports.auditKeyring.signer(Date.now());
    await writeEvents(2);
    await sealAudit(ports, Date.now());
    const ticketKeys = await publishedKids(front);
    expect((await turn(front, { purpose: 'audit', activate: 'now', alg: 'Ed25519' })).status).toBe(201);
    expect(await auditKeys(front)).toMatchObject([{ state: 'active' }, { state: 'retiring' }]);
    expect(await publishedKids(front)).toEqual(ticketKeys);
    setClock(60);
    await writeEvents(1);
    await sealAudit(ports, Date.now());
    expect(await proof(front, ports)).toMatchObject({ content: [], gaps: [], checkpoints: 2 });
  });

  it('that is revoked signs no more, leaves its set, and locks nothing else; what it signed is named, once for all', async () => {
    await emptyAuditLog();
    const { front, ports } = startBroker();
    await ports.auditKeyring.signer(Date.now());
    const [old] = await auditKeys(front);
    for (let minute = 0; minute < 3; minute += 1) {
      setClock(60 * minute);
      await sealAudit(ports, Date.now());
    }
    const saved = (await call('/.well-known/audit-jwks.json', { front })).text;
    const reply = await revoke(front, old?.kid ?? '');
    expect(reply.status).toBe(200);
    const { signing } = JSON.parse(reply.text);
    expect(signing).not.toBe(old?.kid);
    expect((await auditKeys(front)).map(({ kid: each, state }) => [each, state])).toEqual([
      [signing, 'active'],
      [old?.kid, 'revoked'],
    ]);
    const { results: left } = await env.CONTROL.prepare('SELECT target FROM revocations').all();
    // The lock is for the copy in the record database, which a restore of the control database does not undo.
    expect(left).toEqual([{ target: `key:${old?.kid}` }]);
    setClock(180);
    await sealAudit(ports, Date.now());
    expect(await proof(front, ports)).toMatchObject({
      content: [`3 checkpoints from 1 to 3 are signed with key ${old?.kid}, which is not among the keys`],
      order: [],
      gaps: [],
    });
    const { keys } = JSON.parse(saved);
    const now = JSON.parse((await call('/.well-known/audit-jwks.json', { front })).text).keys;
    expect(await proof(front, ports, { keys: [...keys, ...now] })).toMatchObject({ content: [], gaps: [] });
  });

  it('has no other purpose', async () => {
    const { front } = startBroker();
    expectRefusal(await call('/admin/keys?purpose=x', { headers: chief.pair, front }), '400 BAD_REQUEST');
    expectRefusal(await turn(front, { purpose: 'x' }), '400 BAD_REQUEST');
  });
});

async function proof(front: Front, ports: BrokerPorts, keySet?: object) {
  const text =
    keySet === undefined
      ? (await call('/.well-known/audit-jwks.json', { front })).text
      : JSON.stringify(keySet);
  const keys = await readKeySet(new TextEncoder().encode(text), ['ES256', 'Ed25519']);
  return verifyExport((await exportText(ports)).trim().split('\n'), keys ?? new Map());
}

it('audit keys have a set of their own, and keep their place in it after they retired', async () => {
  const { front, ports } = startBroker();
  const first = await ports.auditKeyring.signer(Date.now());
  const kids = async () =>
    z
      .object({ keys: z.array(z.object({ kid: z.string() })) })
      .parse(JSON.parse((await call('/.well-known/audit-jwks.json', { front })).text))
      .keys.map(({ kid }) => kid);
  const kid = first.ok ? first.value.row.kid : '';
  expect(await kids()).toEqual([kid]);
  expect(await publishedKids(front)).not.toContain(kid);
  setClock(400 * 24 * 3600);
  expect(await kids()).toEqual([kid]);
});
