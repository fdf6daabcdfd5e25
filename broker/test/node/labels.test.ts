import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { labelOf } from '../../src/credentials/principal.ts';
import { runScheduled } from '../../src/runtime/scheduled.ts';
import {
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
} from './admin/operator-broker.ts';
import { bodyOf, ticketIn } from './answers.ts';
import { NOW } from './start-broker.ts';

let broker: OperatorBroker;
const ADDRESS = { email: 'Ada@people.test', email_verified: true };
const ADA: Person = { sub: 'ada', ...ADDRESS };
const TWIN: Person = { sub: 'ada', at: 'other', ...ADDRESS };
const EVE: Person = { sub: 'eve', email: 'ada@people.test', email_verified: false };

beforeEach(async () => {
  broker = await startOperatorBroker();
});

const Page = z.object({
  items: z.array(z.looseObject({ id: z.string() })),
  next_cursor: z.string().nullable(),
});
const page = async (path: string) => Page.parse(await bodyOf(await broker.call(ROOT, 'GET', path)));
const principals = async (query = '') => (await page(`/admin/principals${query}`)).items;
const sessions = async (query: string) => (await page(`/admin/agents/sessions${query}`)).items;
const mint = (who: Person) => broker.call(who, 'POST', '/tickets', { agent: 'counter', instance: 'main' });
const seen = (seconds: number) => new Date((NOW + seconds) * 1000).toISOString();

describe('the label of a principal', () => {
  it('is its verified address, noted beside the answer to a request for a ticket', async () => {
    await mint(ADA);
    await mint(EVE);
    expect(await principals()).toEqual([
      {
        id: idOf(ADA),
        label: 'Ada@people.test',
        last_seen_at: seen(0),
        live_sessions: 0,
        grants: 0,
        locks: 0,
      },
    ]);
  });

  it('is in no ticket and no audit event', async () => {
    const ticket = await ticketIn(await mint(ADA));
    await broker.call(ADA, 'POST', '/tickets', { agent: 'hidden', instance: 'x' });
    expect(JSON.stringify([ticket, broker.events])).not.toMatch(/people\.test/i);
  });

  it('is written once in ten minutes, and at once where it changed', async () => {
    const sightAfter = async (seconds: number, who = ADA) => {
      broker.clock.now = NOW + seconds;
      await mint(who);
      const [row] = await principals();
      return [row?.label, row?.last_seen_at];
    };
    expect(await sightAfter(0)).toEqual(['Ada@people.test', seen(0)]);
    expect(await sightAfter(600)).toEqual(['Ada@people.test', seen(0)]);
    expect(await sightAfter(601)).toEqual(['Ada@people.test', seen(601)]);
    expect(await sightAfter(602, { ...ADA, email: 'lovelace@people.test' })).toEqual([
      'lovelace@people.test',
      seen(602),
    ]);
  });

  it('is not written for a refused request', async () => {
    await broker.call(ADA, 'POST', '/tickets', { agent: 'hidden', instance: 'x' });
    expect(await principals()).toEqual([]);
  });

  it('decides nothing: a principal of another issuer has none of the rights', async () => {
    await broker.grant(idOf(ADA), 'hidden', 'owner');
    await mint(ADA);
    await mint(TWIN);
    expect(await broker.mint(TWIN, 'hidden', 'main')).toBe(404);
  });

  it('is deleted by the schedule where none is to be kept', async () => {
    await mint(ADA);
    await runScheduled({ ...broker.ports, config: { ...broker.ports.config, principalLabel: 'none' } });
    expect(await principals()).toEqual([]);
  });

  it.each([
    ['email', { email: 'a@b', emailVerified: true, name: 'Ada' }, 'a@b'],
    ['email', { email: 'a@b', name: 'Ada' }, undefined],
    ['name', { email: 'a@b', emailVerified: true, name: 'Ada' }, 'Ada'],
    ['name', { email: 'a@b', emailVerified: true }, undefined],
    ['none', { email: 'a@b', emailVerified: true, name: 'Ada' }, undefined],
  ] as const)('by %s of %j is %s', (kind, principal, label) => {
    expect(labelOf(principal, kind)).toBe(label);
  });
});

describe('GET /admin/principals', () => {
  it('finds by the beginning of a label, page by page, with what each has', async () => {
    await mint(ADA);
    await mint(TWIN);
    await mint({ sub: 'bea', email: 'bea@people.test', email_verified: true });
    await broker.openSession({ principal: idOf(ADA) });
    await broker.grant(idOf(ADA), 'hidden', 'viewer');
    await broker.call(ROOT, 'POST', '/admin/locks', {
      target: { kind: 'principal', id: idOf(ADA) },
      reason: 'x',
    });
    const found = { label: 'Ada@people.test', last_seen_at: seen(0) };
    const first = await page('/admin/principals?label=ada&limit=1');
    expect(first.items).toEqual([{ id: idOf(TWIN), ...found, live_sessions: 0, grants: 0, locks: 0 }]);
    const second = await page(`/admin/principals?label=ada&limit=1&cursor=${first.next_cursor}`);
    expect(second).toEqual({
      items: [{ id: idOf(ADA), ...found, live_sessions: 1, grants: 1, locks: 1 }],
      next_cursor: null,
    });
  });

  it.each([
    [{ sub: 'op', permissions: ['audit:read'] }, '', 403],
    [{ sub: 'op', permissions: ['sessions:read'] }, '', 200],
    [ROOT, '?cursor=eyJhIjoxfQ', 400],
    [ROOT, `?label=${'a'.repeat(321)}`, 400],
    [ROOT, '?label=a%1b', 400],
  ])('%j at %s is a %d', async (who, query, status) => {
    expect((await broker.call(who, 'GET', `/admin/principals${query}`)).status).toBe(status);
  });
});

describe('sessions by label', () => {
  it('are those of every principal that has it, merged, newest first, and each names it', async () => {
    await mint(ADA);
    await mint(TWIN);
    const open = (who: Person, startedAt: number) => broker.openSession({ principal: idOf(who), startedAt });
    const ids = [
      await open(ADA, 1),
      await open(TWIN, 2),
      await open(EVE, 3),
      await open(ADA, 4),
      await open(TWIN, 5),
    ];
    const expected = [ids[4], ids[3], ids[1], ids[0]];
    expect((await sessions('?label=ada@PEOPLE.test')).map(({ id }) => id)).toEqual(expected);
    const walked: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const query = `?label=ada@people.test&limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const next: z.infer<typeof Page> = await page(`/admin/agents/sessions${query}`);
      walked.push(...next.items.map(({ id }) => id));
      cursor = next.next_cursor;
    }
    expect(walked).toEqual(expected);
    expect((await sessions('?active=true')).map((row) => row.principal_label)).toEqual(
      ids.map((id) => (id === ids[2] ? null : 'Ada@people.test')),
    );
    expect(await bodyOf(await broker.call(ROOT, 'GET', `/admin/agents/sessions/${ids[0]}`))).toMatchObject({
      principal_label: 'Ada@people.test',
    });
  });

  it('of a label that nobody has are none', async () => {
    await broker.openSession({});
    expect(await sessions('?label=nobody')).toEqual([]);
  });

  it.each(['label=a&principal=b', `label=a&service_token=svc_${'1'.repeat(22)}`])(
    'and by another name of a principal are a bad request: %s',
    async (query) => {
      expect((await broker.call(ROOT, 'GET', `/admin/agents/sessions?${query}`)).status).toBe(400);
    },
  );
});
