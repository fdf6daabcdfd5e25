import { RIGHTS_ROWS } from './rights-rows.ts';
import { AGENT, type ApiRow, column, type Field, INSTANCE, type Members, since } from './row.ts';
import { cell } from './show.ts';
import type { Column } from './table.ts';
import { age, duration, isPrincipalId, moment } from './words.ts';

const FROM: Field = {
  flag: '--from <time>',
  about: 'from then on: 2h for two hours ago, or RFC 3339',
  read: moment,
};
const TO: Field = { flag: '--to <time>', about: 'until before then', read: moment };
const PERSON: Field = {
  flag: '--person <label or id>',
  member: 'label',
  about: 'an e-mail address, or the id of a principal',
};

export const SESSION_COLUMNS: readonly Column[] = [
  column('SESSION', 'id'),
  { title: 'PERSON', of: (row) => cell(row.principal_label ?? row.principal), least: 10 },
  { title: 'WHERE', of: (row) => `${cell(row.agent)}/${cell(row.instance)}`, least: 10 },
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
  column('PRINCIPAL', 'principal', { least: 10 }),
  {
    title: 'WHERE',
    of: (row) => (typeof row.agent === 'string' ? [row.agent, row.instance].filter(Boolean).join('/') : '-'),
    least: 8,
    spare: 1,
  },
];

/** `--person` is a label or an id, which are two members. */
export const personOf = (person: unknown): Members =>
  typeof person === 'string' ? { [isPrincipalId(person) ? 'principal' : 'label']: person } : {};

const member = (value: unknown, name: string): string => cell(Object(value)[name]);

/** Commands that are one call each. Help, completion, the reference and the requests are made of these rows. */
export const API_ROWS: readonly ApiRow[] = [
  {
    words: 'ticket',
    about: 'A ticket for one connection. Everybody who sees it can use it, for a minute.',
    example: 'ticket counter demo',
    method: 'POST',
    path: '/tickets',
    places: [
      { flag: '<agent>', about: 'slug of the agent' },
      { flag: '[instance]', about: 'name of the instance; left out: default' },
    ],
    options: [
      { flag: '--scope <scopes>', about: 'less than the role allows, separated by spaces' },
      {
        flag: '--expires-in <duration>',
        about: 'life of the ticket, 5s to 5m; left out: 1m',
        read: duration,
      },
      { flag: '--transport <transport>', about: 'left out: websocket', choices: ['websocket', 'http'] },
    ],
  },
  {
    words: 'me',
    about: 'The principal of this credential, and its permissions.',
    example: 'me',
    method: 'GET',
    path: '/me',
  },
  {
    words: 'agents list',
    about: 'The agents that this credential would get a ticket for.',
    example: 'agents list',
    method: 'GET',
    path: '/api/agents',
    whole: true,
    columns: [
      column('AGENT', 'agent'),
      column('ROLE', 'role'),
      column('ACCESS', 'access'),
      column('TRANSPORT', 'transport', { spare: 1 }),
      column('URL', 'url', { spare: 2, least: 12 }),
    ],
  },
  {
    words: 'agents delete-instance',
    about: 'Closes the sockets of an instance, destroys its object and its grants.',
    example: 'agents delete-instance chat room-7 --yes',
    method: 'DELETE',
    path: '/api/agents/:agent/:instance',
    places: [
      { flag: '<agent>', about: 'slug of the agent' },
      { flag: '<instance>', about: 'name of the instance' },
    ],
    ends: 'This destroys the instance with all its data.',
    again: 'Until then the instance is closed to all.',
  },
  {
    words: 'principals list',
    about: 'People and services that have a label, with their ids.',
    example: 'principals list --label ann',
    method: 'GET',
    path: '/admin/principals',
    options: [{ flag: '--label <text>', about: 'with which the label begins' }],
    columns: [
      column('LABEL', 'label', { least: 12 }),
      column('PRINCIPAL', 'id', { least: 20 }),
      since('SEEN', 'last_seen_at'),
      column('LIVE', 'live_sessions'),
      column('GRANTS', 'grants', { spare: 2 }),
      column('LOCKS', 'locks', { spare: 1 }),
    ],
  },
  {
    words: 'sessions list',
    about: 'Live sessions; with a time, those that were live then.',
    example: 'sessions list --at 2h --agent chat',
    method: 'GET',
    path: '/admin/agents/sessions',
    options: [
      { flag: '--at <time>', about: 'live at that moment: 2h for two hours ago, or RFC 3339', read: moment },
      FROM,
      TO,
      PERSON,
      { flag: '--service-token <client id>', about: 'whose principal is this service token' },
      AGENT,
      INSTANCE,
      { flag: '--address <ip>', member: 'ip_address', about: 'opened from this network address' },
      {
        flag: '--active <which>',
        about: 'live or not; left out: true, with a time any',
        choices: ['true', 'false', 'any'],
      },
    ],
    adjust: (members) => {
      const { label, active, ...rest } = members;
      const isTimed = ['at', 'from', 'to'].some((name) => members[name] !== undefined);
      const wanted = active ?? (isTimed ? 'any' : 'true');
      return { ...rest, ...personOf(label), ...(wanted === 'any' ? {} : { active: wanted }) };
    },
    columns: SESSION_COLUMNS,
  },
  {
    words: 'sessions show',
    about: 'One session, with its calls.',
    example: 'sessions show 3f0c…',
    method: 'GET',
    path: '/admin/agents/sessions/:id',
    places: [{ flag: '<id>', about: 'as "sessions list" shows it' }],
  },
  {
    words: 'sessions own',
    about: 'The live sessions of this credential itself.',
    example: 'sessions own',
    method: 'GET',
    path: '/sessions',
    columns: SESSION_COLUMNS,
  },
  {
    words: 'audit list',
    about: 'Events of the audit log, newest first.',
    example: 'audit list --type ticket.denied --from 1d',
    method: 'GET',
    path: '/admin/agents/audit',
    options: [
      { flag: '--principal <id>', about: 'about this principal' },
      AGENT,
      INSTANCE,
      { flag: '--type <type>', about: 'such as ticket.denied' },
      { flag: '--outcome <outcome>', about: 'how it ended', choices: ['success', 'denied'] },
      { flag: '--code <reason>', about: 'why it was refused, such as grant_missing' },
      { flag: '--jti <jti>', about: 'of this ticket' },
      { flag: '--session <id>', member: 'session_id', about: 'of this session' },
      { flag: '--request <id>', member: 'request_id', about: 'of this request' },
      FROM,
      TO,
    ],
    columns: EVENT_COLUMNS,
  },
  {
    words: 'audit checkpoints',
    about: 'Signed statements over runs of the audit log, newest first.',
    example: 'audit checkpoints --limit 1 --json',
    method: 'GET',
    path: '/admin/agents/audit/checkpoints',
    columns: [
      column('N', 'n'),
      column('AT', 'at'),
      column('THROUGH', 'through'),
      column('EVENTS', 'count'),
      column('KEY', 'kid', { spare: 1, least: 12 }),
    ],
  },
  {
    words: 'stats',
    about: 'Tickets, refusals and sessions over time.',
    example: 'stats --step hour --from 1d',
    method: 'GET',
    path: '/admin/stats',
    whole: true,
    options: [
      { flag: '--step <step>', about: 'of one row; left out: minute', choices: ['minute', 'hour', 'day'] },
      FROM,
      TO,
    ],
    columns: [
      column('AT', 'at'),
      { title: 'ISSUED', of: (row) => member(row.tickets, 'issued') },
      { title: 'DENIED', of: (row) => member(row.tickets, 'denied') },
      { title: 'OPENED', of: (row) => member(row.sessions, 'opened') },
      { title: 'CLOSED', of: (row) => member(row.sessions, 'closed') },
      { title: 'LIVE', of: (row) => member(row.sessions, 'live') },
    ],
  },
  ...RIGHTS_ROWS,
];
