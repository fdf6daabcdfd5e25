import { cell } from './show.ts';
import type { Column } from './table.ts';
import { age } from './words.ts';

export const column = (title: string, member: string, rest: Omit<Column, 'title' | 'of'> = {}): Column => ({
  title,
  of: (row) => cell(row[member]),
  ...rest,
});
export const since = (title: string, member: string, rest: Omit<Column, 'title' | 'of'> = {}): Column => ({
  title,
  of: (row, now) => age(row[member], now),
  ...rest,
});

export const SESSION_COLUMNS: readonly Column[] = [
  column('SESSION', 'id'),
  {
    title: 'PERSON',
    of: (row) => cell(row.principal_label ?? row.principal),
    least: 10,
    keepsEnd: true,
  },
  {
    title: 'WHERE',
    of: (row) => `${cell(row.agent)}/${cell(row.instance)}`,
    least: 10,
    keepsEnd: true,
  },
  since('SINCE', 'started_at'),
  { title: 'ENDED', of: (row, now) => (row.ended_at === null ? 'live' : age(row.ended_at, now)), spare: 1 },
  column('ROLE', 'role', { spare: 2 }),
  column('ADDRESS', 'ip_address', { spare: 3, least: 9 }),
];

export const EVENT_COLUMNS: readonly Column[] = [
  column('SEQ', 'seq'),
  {
    title: 'AT',
    of: (row) =>
      cell(row.at)
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z'),
  },
  column('TYPE', 'type'),
  { title: 'CODE', of: (row) => cell(row.code), least: 8 },
  column('PRINCIPAL', 'principal', { least: 10, keepsEnd: true }),
  {
    title: 'WHERE',
    of: (row) => (typeof row.agent === 'string' ? [row.agent, row.instance].filter(Boolean).join('/') : '-'),
    least: 8,
    spare: 1,
    keepsEnd: true,
  },
  column('ADDRESS', 'ip_address', { spare: 2, least: 9 }),
];
