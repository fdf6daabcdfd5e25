import { cell } from './show.ts';
import type { Column } from './table.ts';
import { age, duration, isPrincipalId, lockTarget, moment, several } from './words.ts';

/** A word that a command takes, and the member of the request that it becomes. */
export interface Field {
  /** Of an option `--reason <text>`; of a word in its place `<kid>` or `[instance]`. */
  readonly flag: string;
  /** In the query, the body or the path; left out: the name in the flag, with `_` for `-`. */
  readonly member?: string;
  readonly about: string;
  /** Left out: the text as it is. Throws a `UsageError`. `now` in ms. */
  readonly read?: (text: string, now: number) => unknown;
  readonly required?: true;
}

/** A command that is one call of the API. */
export interface ApiRow {
  readonly words: string;
  readonly about: string;
  readonly example: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** As the route is written. Words in their place fill it, the others and the options are query or body. */
  readonly path: string;
  readonly places?: readonly Field[];
  readonly options?: readonly Field[];
  /** A POST that takes its reason in the query. */
  readonly inQuery?: true;
  /** Of a list; left out: the answer is one object. */
  readonly columns?: readonly Column[];
  /** A list that comes at once. */
  readonly whole?: true;
  /** The members as the API wants them. */
  readonly adjust?: (members: Members) => Members;
  /** Of a call that ends sessions or credentials: what a person is asked. */
  readonly ends?: string;
  /** What to do where some objects were not reached. */
  readonly again?: string;
}

/** Of a query or a body. */
export type Members = Readonly<Record<string, unknown>>;

const column = (title: string, member: string, rest: Omit<Column, 'title' | 'of'> = {}): Column => ({
  title,
  of: (row) => cell(row[member]),
  ...rest,
});
const since = (title: string, member: string, rest: Omit<Column, 'title' | 'of'> = {}): Column => ({
  title,
  of: (row, now) => age(row[member], now),
  ...rest,
});

const REASON: Field = { flag: '--reason <text>', about: 'for the audit log', required: true };
const AGENT: Field = { flag: '--agent <slug>', about: 'of this agent' };
const INSTANCE: Field = { flag: '--instance <name>', about: 'of this instance, with --agent' };
const FROM: Field = {
  flag: '--from <time>',
  about: 'from then on: 2h for two hours ago, or RFC 3339',
  read: moment,
};
const TO: Field = { flag: '--to <time>', about: 'until before then', read: moment };
const EXPIRES: Field = {
  flag: '--expires-in <duration>',
  about: 'such as 8h or 30d; left out: no end',
  read: duration,
};
const PURPOSE: Field = { flag: '--purpose <purpose>', about: 'ticket or audit; left out: ticket' };
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

const GRANT_COLUMNS: readonly Column[] = [
  column('GRANT', 'id'),
  column('SUBJECT', 'subject', { least: 12 }),
  { title: 'WHERE', of: (row) => `${cell(row.agent)}/${cell(row.instance)}`, least: 10 },
  column('ROLE', 'role'),
  since('ENDS', 'expires_at', { spare: 1 }),
  column('REASON', 'reason', { spare: 2, least: 8 }),
];

/** Commands that are one call each. Help, completion, the reference and the requests are made of these rows. */
export const API_ROWS: readonly ApiRow[] = [
  {
    words: 'ticket',
    about: 'A ticket for one connection. Whoever sees it can use it, for a minute.',
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
      { flag: '--transport <transport>', about: 'websocket or http; left out: websocket' },
    ],
  },
  {
    words: 'me',
    about: 'Who the broker takes this credential for, and what it may do.',
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
    words: 'keys list',
    about: 'Signing keys, newest first.',
    example: 'keys list --purpose audit',
    method: 'GET',
    path: '/admin/keys',
    options: [PURPOSE],
    columns: [
      column('KEY', 'kid'),
      column('ALG', 'alg'),
      column('STATE', 'state'),
      since('SIGNS FROM', 'activates_at'),
      since('UNTIL', 'retires_at', { spare: 1 }),
      since('PUBLISHED UNTIL', 'removed_at', { spare: 2 }),
    ],
  },
  {
    words: 'keys rotate',
    about: 'Makes the next key. It signs ten minutes later, when every verifier has it.',
    example: 'keys rotate --reason "monthly"',
    method: 'POST',
    path: '/admin/keys/rotate',
    options: [
      REASON,
      { flag: '--activate <when>', about: 'scheduled or now; left out: scheduled' },
      { flag: '--alg <alg>', about: 'ES256 or Ed25519; left out: that of the active key' },
      PURPOSE,
    ],
  },
  {
    words: 'keys revoke',
    about: 'Takes a key away for good, with every ticket and session that it signed.',
    example: 'keys revoke u2N… --reason "leaked" --yes',
    method: 'POST',
    path: '/admin/keys/:kid/revoke',
    places: [{ flag: '<kid>', about: 'as "keys list" shows it' }],
    options: [REASON],
    inQuery: true,
    ends: 'This ends every session that was opened with a ticket of this key.',
    again: 'The key is revoked already.',
  },
  {
    words: 'keys reseal',
    about: 'Seals every key with the present KEK, so that KEK_PREVIOUS can go.',
    example: 'keys reseal',
    method: 'POST',
    path: '/admin/keys/reseal',
  },
  {
    words: 'service-tokens list',
    about: 'Service tokens that were not revoked, newest first.',
    example: 'service-tokens list',
    method: 'GET',
    path: '/admin/service-tokens',
    columns: [
      column('CLIENT ID', 'id'),
      column('NAME', 'name', { least: 8 }),
      column('TIER', 'tier'),
      since('USED', 'last_used_at'),
      since('ENDS', 'expires_at', { spare: 1 }),
      column('AGENTS', 'agents', { spare: 2, least: 8 }),
      column('PERMISSIONS', 'permissions', { spare: 3, least: 12 }),
    ],
  },
  {
    words: 'service-tokens show',
    about: 'One service token, without its secret.',
    example: 'service-tokens show svc_…',
    method: 'GET',
    path: '/admin/service-tokens/:id',
    places: [{ flag: '<id>', about: 'its client id' }],
  },
  {
    words: 'service-tokens create',
    about: 'Makes a service token. Its secret is shown this once.',
    example: 'service-tokens create "my backend" --tier pro --agents counter,chat',
    method: 'POST',
    path: '/admin/service-tokens',
    places: [{ flag: '<name>', about: 'for operators to know it by' }],
    options: [
      { flag: '--tier <tier>', about: 'free, pro or admin; left out: free' },
      { flag: '--agents <slugs>', about: 'comma-separated; left out: all', read: several },
      { flag: '--permissions <names>', about: 'comma-separated; left out: none', read: several },
      EXPIRES,
    ],
  },
  {
    words: 'service-tokens rotate',
    about: 'A new secret for a service token. It is shown this once.',
    example: 'service-tokens rotate svc_… --grace-in 1h',
    method: 'POST',
    path: '/admin/service-tokens/:id/rotate',
    places: [{ flag: '<id>', about: 'its client id' }],
    options: [
      {
        flag: '--grace-in <duration>',
        about: 'how long the present secret stays good; left out: 1h; 0s ends its sessions, too',
        read: duration,
      },
    ],
    ends: 'The present secret of the token stops to work when the grace time is over.',
    again: 'The new secret is good already.',
  },
  {
    words: 'service-tokens delete',
    about: 'Ends a service token, with its tickets and sessions.',
    example: 'service-tokens delete svc_… --reason "the laptop is lost" --yes',
    method: 'DELETE',
    path: '/admin/service-tokens/:id',
    places: [{ flag: '<id>', about: 'its client id' }],
    options: [REASON],
    ends: 'This ends the service token and its live sessions.',
    again: 'The token is dead already.',
  },
  {
    words: 'grants list',
    about: 'Who has which role where, newest first.',
    example: 'grants list --agent counter',
    method: 'GET',
    path: '/admin/grants',
    options: [AGENT, INSTANCE, { flag: '--subject <subject>', about: 'of this subject' }],
    columns: GRANT_COLUMNS,
  },
  {
    words: 'grants create',
    about: 'Gives somebody a role.',
    example: 'grants create email:ann@example.com chat "*" viewer --reason "her team"',
    method: 'POST',
    path: '/admin/grants',
    places: [
      { flag: '<subject>', about: 'a principal, email:<address>, email:*@<domain> or group:<issuer>:<name>' },
      { flag: '<agent>', about: 'slug of the agent' },
      { flag: '<instance>', about: 'name of the instance, * for every one' },
      { flag: '<role>', about: 'viewer, admin or owner' },
    ],
    options: [REASON, EXPIRES],
  },
  {
    words: 'grants delete',
    about: 'Takes a grant back, and closes the sessions that rest on it.',
    example: 'grants delete 0b6f… --yes',
    method: 'DELETE',
    path: '/admin/grants/:id',
    places: [{ flag: '<id>', about: 'as "grants list" shows it' }],
    ends: 'This closes the sessions that rest on the grant.',
    again: 'The grant gives nothing any more.',
  },
  {
    words: 'locks list',
    about: 'Locks in force, newest first.',
    example: 'locks list',
    method: 'GET',
    path: '/admin/locks',
    columns: [
      column('LOCK', 'id'),
      { title: 'TARGET', of: (row) => targetText(row.target), least: 12 },
      since('SINCE', 'created_at'),
      since('ENDS', 'expires_at'),
      column('REASON', 'reason', { least: 8 }),
      column('BY', 'created_by', { spare: 1, least: 10 }),
    ],
  },
  {
    words: 'locks create',
    about: 'Closes a target: no ticket, and its live sessions end.',
    example: 'locks create instance:chat/room-7 --reason "abuse" --expires-in 1h --yes',
    method: 'POST',
    path: '/admin/locks',
    places: [
      {
        flag: '<target>',
        about: 'such as principal:<id>, agent:<slug>, instance:<agent>/<instance>, ticket:<jti>, everything',
        read: lockTarget,
      },
    ],
    options: [REASON, EXPIRES],
    ends: 'This ends the live sessions of the target, and nobody gets a ticket for it.',
    again: 'The lock is in force already.',
  },
  {
    words: 'locks delete',
    about: 'Lifts a lock.',
    example: 'locks delete 5c1e…',
    method: 'DELETE',
    path: '/admin/locks/:id',
    places: [{ flag: '<id>', about: 'as "locks list" shows it' }],
    again: 'Until then an instance may stay closed.',
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
    about: 'Who is connected; with a time, who was.',
    example: 'sessions list --at 2h --agent chat',
    method: 'GET',
    path: '/admin/agents/sessions',
    options: [
      { flag: '--at <time>', about: 'live at that moment: 2h for two hours ago, or RFC 3339', read: moment },
      FROM,
      TO,
      PERSON,
      { flag: '--service-token <client id>', about: 'opened with this service token' },
      AGENT,
      INSTANCE,
      { flag: '--address <ip>', member: 'ip_address', about: 'opened from this network address' },
      { flag: '--active <which>', about: 'true, false or any; left out: true, with a time any' },
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
      { flag: '--outcome <outcome>', about: 'success or denied' },
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
    options: [{ flag: '--step <step>', about: 'minute, hour or day; left out: minute' }, FROM, TO],
    columns: [
      column('AT', 'at'),
      { title: 'ISSUED', of: (row) => member(row.tickets, 'issued') },
      { title: 'DENIED', of: (row) => member(row.tickets, 'denied') },
      { title: 'OPENED', of: (row) => member(row.sessions, 'opened') },
      { title: 'CLOSED', of: (row) => member(row.sessions, 'closed') },
      { title: 'LIVE', of: (row) => member(row.sessions, 'live') },
    ],
  },
];

/** A target as `locks create` takes it. */
const targetText = (target: unknown): string => {
  const { kind, ...rest } = Object(target);
  return `${cell(kind)}:${Object.values(rest).map(cell).join('/')}`;
};

const member = (value: unknown, name: string): string => cell(Object(value)[name]);

/** `--person` is a label or an id, which are two members. */
export const personOf = (person: unknown): Members =>
  typeof person === 'string' ? { [isPrincipalId(person) ? 'principal' : 'label']: person } : {};
