import { auditLogQueries } from '@agent-ticket/drizzle/record/audit-log.ts';
import { sql } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { runScheduled } from '../../src/runtime/scheduled.ts';
import { type OperatorBroker, startOperatorBroker, ROOT } from './admin/operator-broker.ts';

let broker: OperatorBroker;
beforeEach(async () => {
  broker = await startOperatorBroker();
});

const Keys = z.object({ items: z.array(z.object({ kid: z.string() })) });
const put = async (id: string, event: string): Promise<void> => {
  await broker.runtime.control.run(
    sql`INSERT INTO change_events (event_id, event) VALUES (${id}, ${event})`,
  );
};
const told = async () =>
  (await auditLogQueries(broker.runtime.record).arrivals(0, 100)).map(({ type }) => type);

describe.each([
  ['is no JSON', '{'],
  ['is no event', 'null'],
  ['has an id of its own', '{"eventId":"b","type":"key.rotated","at":1,"outcome":"success"}'],
  ['the record database will never take', '{"eventId":"a","type":"key.rotated","at":1}'],
])('a change event that %s', (_what, event) => {
  it('stays and is logged, and no other waits for it', async () => {
    expect((await broker.call(ROOT, 'POST', '/admin/keys/rotate', {})).status).toBe(201);
    await put('a', event);
    const { items } = Keys.parse(await (await broker.call(ROOT, 'GET', '/admin/keys')).json());
    expect((await broker.call(ROOT, 'POST', `/admin/keys/${items.at(-1)?.kid}/revoke`)).status).toBe(200);
    expect(broker.worker.tokens).toHaveLength(1);
    await runScheduled(broker.ports);
    expect(await told()).toContain('key.revoked');
    expect(broker.logged).toContainEqual({ event: 'change_event_unreadable', id: 'a' });
    expect(broker.logged).not.toContainEqual(expect.objectContaining({ event: 'scheduled_failed' }));
    const ready = await broker.call(undefined, 'GET', '/readyz');
    expect([ready.status, await ready.json()]).toMatchObject([200, { change_events_waiting: 1 }]);
  });
});
