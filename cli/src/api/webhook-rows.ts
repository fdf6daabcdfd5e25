import { UsageError } from '../command.ts';
import { column, since } from './columns.ts';
import type { ApiRow, Field } from './row.ts';

/** The number of an event. */
const AFTER: Field = {
  member: 'after',
  flag: '--after <seq>',
  about: 'number of an event; deliveries go on with the next one',
  read: (text) => {
    if (!/^\d{1,15}$/.test(text)) throw new UsageError('--after is the number of an event, such as 1042.');
    return Number(text);
  },
};

/** Commands of receivers of audit events. */
export const WEBHOOK_ROWS: readonly ApiRow[] = [
  {
    words: 'webhooks list',
    call: 'GET /admin/webhooks',
    example: 'webhooks list',
    columns: [
      column('WEBHOOK', 'id'),
      column('NAME', 'name', { least: 8 }),
      column('STATUS', 'last_status'),
      column('FAULT', 'last_fault'),
      since('FAILING', 'failing_since'),
      column('WAITING', 'events_waiting'),
      column('URL', 'url', { spare: 1, least: 12 }),
      column('TYPES', 'types', { spare: 2, least: 8 }),
    ],
  },
  {
    words: 'webhooks create',
    call: 'POST /admin/webhooks',
    example: 'webhooks create siem https://siem.example.com/events --types ticket.denied,lock.created',
    places: ['name', 'url'],
  },
  { words: 'webhooks test', call: 'POST /admin/webhooks/{id}/test', example: 'webhooks test 8d1f…' },
  {
    words: 'webhooks redeliver',
    call: 'POST /admin/webhooks/{id}/redeliver',
    example: 'webhooks redeliver 8d1f… --from 2h --reason "the receiver lost them"',
    differs: { after: AFTER },
  },
  {
    words: 'webhooks delete',
    call: 'DELETE /admin/webhooks/{id}',
    example: 'webhooks delete 8d1f… --reason "the receiver was switched off" --yes',
    ends: 'The receiver gets no more events.',
  },
];
