import { UsageError } from '../command.ts';
import { eventNumber } from '../option-values.ts';
import { acceptRestore } from './accept-restore.ts';
import { auditReturned } from './audit-returned.ts';
import { column, EVENT_COLUMNS, since } from './columns.ts';
import type { ApiRow, Field } from './row.ts';
import { memberText } from './show.ts';

const AFTER: Field = {
  member: 'after',
  flag: '--after <number>',
  about: 'number of an event; deliveries go on with the next one',
  read: eventNumber,
};

/** The commands about the audit log and its receivers. */
export const LOG_ROWS: readonly ApiRow[] = [
  {
    words: 'audit list',
    call: 'GET /admin/agents/audit',
    example: 'audit list --type ticket.denied --from 1d',
    columns: EVENT_COLUMNS,
  },
  {
    words: 'audit checkpoints',
    call: 'GET /admin/agents/audit/checkpoints',
    example: 'audit checkpoints --limit 1 --json',
    columns: [
      column('N', 'n'),
      column('AT', 'at'),
      column('THROUGH', 'through'),
      column('EVENTS', 'count'),
      column('KEY', 'kid', { spare: 1, least: 12 }),
    ],
  },
  {
    words: 'audit returned',
    call: 'GET /admin/agents/audit',
    about: 'List grants and service tokens that the audit log says ended, and that the broker has',
    example: 'audit returned --from 2d',
    differs: Object.fromEntries(
      [
        'principal',
        'agent',
        'instance',
        'type',
        'outcome',
        'code',
        'jti',
        'session_id',
        'request_id',
        'to',
      ].map((name) => [name, null]),
    ),
    run: auditReturned,
  },
  { words: 'audit seal', call: 'GET /admin/agents/audit/seal', example: 'audit seal --json' },
  {
    words: 'audit accept-restore',
    call: 'POST /admin/agents/audit/seal/accept',
    example: 'audit accept-restore --reason "restored the backup of 02:00"',
    differs: { noted: null, found: null },
    ends: 'This accepts that the log differs from what was noted.',
    run: acceptRestore,
  },
  {
    words: 'stats',
    call: 'GET /admin/stats',
    example: 'stats --step hour --from 1d',
    columns: [
      column('AT', 'at'),
      { title: 'ISSUED', of: (row) => memberText(row.tickets, 'issued') },
      { title: 'DENIED', of: (row) => memberText(row.tickets, 'denied') },
      { title: 'OPENED', of: (row) => memberText(row.sessions, 'opened') },
      { title: 'CLOSED', of: (row) => memberText(row.sessions, 'closed') },
      { title: 'LIVE', of: (row) => memberText(row.sessions, 'live') },
    ],
  },
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
    differs: {
      authorization: {
        member: 'authorization',
        flag: '--authorization-from <variable>',
        about: 'environment variable with the value of `Authorization` for a receiver of tokens',
        read: (text) => text,
      },
    },
    adjust({ authorization: variable, ...rest }, environment) {
      if (variable === undefined) return rest;
      // A value that was given in place of a name is a secret, and is not repeated.
      const name = /^[A-Za-z_]\w{0,99}$/.exec(String(variable))?.[0];
      if (name === undefined)
        throw new UsageError('--authorization-from is the name of an environment variable.');
      const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
      if (!value)
        throw new UsageError(`The environment has no ${name}: set it to the value of Authorization.`);
      return { ...rest, authorization: value };
    },
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
