import { isPrincipalId } from '@agent-ticket/shared/principal-id.ts';
import { column, SESSION_COLUMNS, since } from './columns.ts';
import { showExplanation } from './explain.ts';
import { LOG_ROWS } from './log-rows.ts';
import type { ApiRow, Field } from './row.ts';
import { sessionsEnd } from './sessions-end.ts';
import { cell } from './show.ts';
import { lockTarget } from './words.ts';

/** A label or an id, which are two members. */
const BY_PERSON = {
  principal: null,
  label: {
    member: 'label',
    flag: '--person <label or id>',
    about: 'the label (a verified e-mail address), or the id of a principal, which the list of sessions has',
    memberFor: (text) => (isPrincipalId(text) ? 'principal' : 'label'),
  },
} as const satisfies Readonly<Record<string, Field | null>>;

/** A target as `locks create` takes it. */
const targetText = (target: unknown): string => {
  const { kind, ...rest } = Object(target);
  return `${cell(kind)}:${Object.values(rest).map(cell).join('/')}`;
};

/** Commands that are one call each. Help, completion, the reference and the requests are made of these rows. */
export const API_ROWS: readonly ApiRow[] = [
  { words: 'ticket', call: 'POST /tickets', example: 'ticket counter demo', places: ['agent', 'instance'] },
  { words: 'me', call: 'GET /me', example: 'me', differs: { optional: null } },
  {
    words: 'explain',
    call: 'POST /explain',
    example: 'explain chat room-7 --principal token:svc_…',
    places: ['agent', 'instance'],
    show: showExplanation,
  },
  {
    words: 'agents list',
    call: 'GET /api/agents',
    example: 'agents list',
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
    call: 'DELETE /api/agents/{agent}/{instance}',
    example: 'agents delete-instance chat room-7 --reason "asked by its owner" --yes',
    ends: 'This destroys the instance with all its data.',
    again: 'Until then the instance is closed to all.',
  },
  {
    words: 'principals list',
    call: 'GET /admin/principals',
    example: 'principals list --label ann',
    columns: [
      column('LABEL', 'label', { least: 12 }),
      column('PRINCIPAL', 'id', { least: 20, keepsEnd: true }),
      since('SEEN', 'last_seen_at'),
      column('LIVE', 'live_sessions'),
      column('GRANTS', 'grants', { spare: 2 }),
      column('LOCKS', 'locks', { spare: 1 }),
    ],
  },
  {
    words: 'principals forget',
    call: 'POST /admin/principals/forget',
    example: 'principals forget "auth0:example.eu.auth0.com:auth0|1" --reason "asked by the person" --yes',
    places: ['principal'],
    ends: 'This deletes the label, sign-ins and grants of the principal, and ends its sessions.',
    again: 'The principal is forgotten already.',
  },
  {
    words: 'sessions list',
    call: 'GET /admin/agents/sessions',
    example: 'sessions list --at 2h --agent chat',
    differs: {
      ...BY_PERSON,
      active: {
        member: 'active',
        flag: '--active <which>',
        about: 'live or not; left out: true, with a time any',
        choices: ['true', 'false', 'any'],
      },
    },
    adjust: ({ active, ...rest }) => {
      const isTimed = ['at', 'from', 'to'].some((name) => rest[name] !== undefined);
      const wanted = active ?? (isTimed ? 'any' : 'true');
      return { ...rest, ...(wanted === 'any' ? {} : { active: wanted }) };
    },
    columns: SESSION_COLUMNS,
  },
  {
    words: 'sessions show',
    call: 'GET /admin/agents/sessions/{id}',
    example: 'sessions show 3f0c…',
  },
  { words: 'sessions own', call: 'GET /sessions', example: 'sessions own', columns: SESSION_COLUMNS },
  {
    words: 'sessions end',
    call: 'POST /admin/agents/sessions/terminate',
    example: 'sessions end --person ann@example.com --sign-out --reason "lost laptop"',
    differs: BY_PERSON,
    more: [
      {
        ...{ member: 'id', flag: '[id]', about: 'id of one session, from the list' },
        call: 'DELETE /admin/agents/sessions/{id}',
      },
    ],
    ends: 'This ends live sessions.',
    run: sessionsEnd,
  },
  ...LOG_ROWS,
  {
    words: 'keys list',
    call: 'GET /admin/keys',
    example: 'keys list --purpose audit',
    columns: [
      column('KEY', 'kid'),
      column('ALG', 'alg'),
      column('STATE', 'state'),
      since('SIGNS FROM', 'activates_at'),
      since('UNTIL', 'retires_at', { spare: 1 }),
      since('PUBLISHED UNTIL', 'removed_at', { spare: 2 }),
    ],
  },
  { words: 'keys rotate', call: 'POST /admin/keys/rotate', example: 'keys rotate --reason "monthly"' },
  {
    words: 'keys revoke',
    call: 'POST /admin/keys/{kid}/revoke',
    example: 'keys revoke u2N… --reason "leaked" --yes',
    ends: 'This ends every session that was opened with a ticket of this key.',
    again: 'The key is revoked already.',
  },
  { words: 'keys reseal', call: 'POST /admin/keys/reseal', example: 'keys reseal' },
  {
    words: 'service-tokens list',
    call: 'GET /admin/service-tokens',
    example: 'service-tokens list',
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
    call: 'GET /admin/service-tokens/{id}',
    example: 'service-tokens show svc_…',
  },
  {
    words: 'service-tokens create',
    call: 'POST /admin/service-tokens',
    example: 'service-tokens create "my backend" --tier pro --agents counter,chat',
    places: ['name'],
  },
  {
    words: 'service-tokens rotate',
    call: 'POST /admin/service-tokens/{id}/rotate',
    example: 'service-tokens rotate svc_… --grace-in 1h',
    ends: 'The present secret of the token stops working when the grace time is over.',
    again: 'The new secret is valid already.',
  },
  {
    words: 'service-tokens end-replaced',
    call: 'DELETE /admin/service-tokens/{id}/replaced-secret',
    example: 'service-tokens end-replaced svc_… --reason "the old secret leaked" --yes',
    ends: 'This ends the replaced secret, and the live sessions of the token.',
    again: 'The replaced secret is ended already.',
  },
  {
    words: 'service-tokens delete',
    call: 'DELETE /admin/service-tokens/{id}',
    example: 'service-tokens delete svc_… --reason "the laptop is lost" --yes',
    ends: 'This ends the service token and its live sessions.',
    again: 'The token is revoked already.',
  },
  {
    words: 'grants list',
    call: 'GET /admin/grants',
    example: 'grants list --agent counter',
    columns: [
      column('GRANT', 'id'),
      column('SUBJECT', 'subject', { least: 12, keepsEnd: true }),
      { title: 'WHERE', of: (row) => `${cell(row.agent)}/${cell(row.instance)}`, least: 10 },
      column('ROLE', 'role'),
      since('ENDS', 'expires_at', { spare: 1 }),
      column('REASON', 'reason', { spare: 2, least: 8 }),
    ],
  },
  {
    words: 'grants create',
    call: 'POST /admin/grants',
    example: 'grants create email:ann@example.com chat "*" viewer --reason "her team"',
    places: ['subject', 'agent', 'instance', 'role'],
  },
  {
    words: 'grants delete',
    call: 'DELETE /admin/grants/{id}',
    example: 'grants delete 0b6f… --reason "left the team" --yes',
    ends: 'This closes the sessions that rest on the grant.',
    again: 'The grant is deleted already.',
  },
  {
    words: 'locks list',
    call: 'GET /admin/locks',
    example: 'locks list',
    columns: [
      column('LOCK', 'id'),
      { title: 'TARGET', of: (row) => targetText(row.target), least: 12, keepsEnd: true },
      since('SINCE', 'created_at'),
      since('ENDS', 'expires_at'),
      column('REASON', 'reason', { least: 8 }),
      column('BY', 'created_by', { spare: 1, least: 10 }),
    ],
  },
  {
    words: 'locks create',
    call: 'POST /admin/locks',
    example: 'locks create instance:chat/room-7 --reason "abuse" --expires-in 1h --yes',
    places: ['target'],
    differs: {
      target: {
        member: 'target',
        flag: '<target>',
        about: 'such as principal:<id>, agent:<slug>, instance:<agent>/<instance>, ticket:<jti>, everything',
        read: lockTarget,
      },
    },
    ends: 'This ends the live sessions of the target, and nobody gets a ticket for it.',
    again: 'The lock is in force already.',
  },
  {
    words: 'locks delete',
    call: 'DELETE /admin/locks/{id}',
    example: 'locks delete 5c1e… --reason "laptop found"',
    again: 'Until then an instance may stay closed.',
  },
];
