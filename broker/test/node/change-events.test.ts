import { auditLogQueries } from '@agent-ticket/drizzle/record/audit-log.ts';
import { sql } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { runScheduled } from '../../src/runtime/scheduled.ts';
import { type Office, openOffice, ROOT } from './admin/office.ts';

let office: Office;
beforeEach(async () => {
  office = await openOffice();
});

const Keys = z.object({ items: z.array(z.object({ kid: z.string() })) });
const put = async (id: string, event: string): Promise<void> => {
  await office.stand.runtime.control.run(
    sql`INSERT INTO change_events (event_id, event) VALUES (${id}, ${event})`,
  );
};
const told = async () =>
  (await auditLogQueries(office.stand.runtime.record).arrivals(0, 100)).map(({ type }) => type);

describe.each([
  ['is no JSON', '{'],
  ['is no event', 'null'],
  ['has an id of its own', '{"eventId":"b","type":"key.rotated","at":1,"outcome":"success"}'],
  ['the record database will never take', '{"eventId":"a","type":"key.rotated","at":1}'],
])('a change event that %s', (_what, event) => {
  it('stays and is logged, and no other waits for it', async () => {
    expect((await office.call(ROOT, 'POST', '/admin/keys/rotate', {})).status).toBe(201);
    await put('a', event);
    const { items } = Keys.parse(await (await office.call(ROOT, 'GET', '/admin/keys')).json());
    expect((await office.call(ROOT, 'POST', `/admin/keys/${items.at(-1)?.kid}/revoke`)).status).toBe(200);
    expect(office.worker.tokens).toHaveLength(1);
    await runScheduled(office.ports);
    expect(await told()).toContain('key.revoked');
    expect(office.stand.logged).toContainEqual({ event: 'change_event_unreadable', id: 'a' });
    expect(office.stand.logged).not.toContainEqual(expect.objectContaining({ event: 'scheduled_failed' }));
    const ready = await office.call(undefined, 'GET', '/readyz');
    expect([ready.status, await ready.json()]).toMatchObject([200, { change_events_waiting: 1 }]);
  });
});
