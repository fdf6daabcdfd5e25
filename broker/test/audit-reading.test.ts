import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, it } from 'vitest';
import { beginEmpty, writeEvents } from './audit-log.ts';
import { call, expectRefusal } from './call.ts';
import { setClock } from './clock.ts';
import { eventsWith } from './record.ts';
import { makeToken } from './tokens.ts';

beginEmpty();

const auditor = await makeToken({ tier: 'admin', permissions: ['audit:read'] });

describe('reading the log', () => {
  const get = (path: string, headers = auditor.pair) => call(`/admin/agents/audit${path}`, { headers });

  it.each([
    ['?cursor=nonsense', 'cursor'],
    ['?from=yesterday', 'from'],
    ['?to=2026-01-01', 'to'],
    ['?type=nothing', 'type'],
    ['?outcome=maybe', 'outcome'],
    ['?instance=main', 'agent'],
    ['?limit=201', 'limit'],
    ['/export?after=-1', 'after'],
    ['/checkpoints?cursor=e30', 'cursor'],
  ])('%s is a bad request that names %s', async (query, field) => {
    expect(expectRefusal(await get(query), '400 BAD_REQUEST').message).toContain(field);
  });

  it.each(['', '/export', '/checkpoints'])('%s needs the permission', async (path) => {
    expectRefusal(await get(path, (await makeToken()).pair), '403 FORBIDDEN');
  });

  it('goes page by page, newest first, details as JSON, and every call is in the log', async () => {
    await writeEvents(5, { details: { role: 'viewer' } });
    setClock(1);
    const seqs: number[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { items, next_cursor } = JSON.parse(
        (await get(`?type=ticket.issued&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`)).text,
      );
      for (const item of items) {
        expect(item.details).toEqual({ role: 'viewer' });
        seqs.push(item.seq);
      }
      cursor = next_cursor;
    }
    expect(seqs).toEqual([5, 4, 3, 2, 1]);
    await eventually(async () => expect(await eventsWith('type', 'admin.read')).toHaveLength(3));
  });
});
