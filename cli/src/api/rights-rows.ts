import { TIERS } from '@agent-ticket/shared/names.ts';
import { TICKET_ALGORITHMS } from '@agent-ticket/shared/ticket.ts';
import { AGENT, type ApiRow, column, type Field, INSTANCE, since } from './row.ts';
import { cell } from './show.ts';
import { duration, lockTarget, several } from './words.ts';

const REASON: Field = { flag: '--reason <text>', about: 'for the audit log', required: true };
const EXPIRES: Field = {
  flag: '--expires-in <duration>',
  about: 'such as 8h or 30d; left out: no end',
  read: duration,
};
const PURPOSE: Field = {
  flag: '--purpose <purpose>',
  about: 'use of the key; left out: ticket',
  choices: ['ticket', 'audit'],
};

/** A target as `locks create` takes it. */
const targetText = (target: unknown): string => {
  const { kind, ...rest } = Object(target);
  return `${cell(kind)}:${Object.values(rest).map(cell).join('/')}`;
};

/** Commands over keys, service tokens, grants and locks. */
export const RIGHTS_ROWS: readonly ApiRow[] = [
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
      {
        flag: '--activate <when>',
        about: 'when it signs; left out: scheduled',
        choices: ['scheduled', 'now'],
      },
      { flag: '--alg <alg>', about: 'left out: that of the active key', choices: TICKET_ALGORITHMS },
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
      { flag: '--tier <tier>', about: 'its limits; left out: free', choices: TIERS },
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
    about: 'Roles of people and services at agents, newest first.',
    example: 'grants list --agent counter',
    method: 'GET',
    path: '/admin/grants',
    options: [AGENT, INSTANCE, { flag: '--subject <subject>', about: 'of this subject' }],
    columns: [
      column('GRANT', 'id'),
      column('SUBJECT', 'subject', { least: 12 }),
      { title: 'WHERE', of: (row) => `${cell(row.agent)}/${cell(row.instance)}`, least: 10 },
      column('ROLE', 'role'),
      since('ENDS', 'expires_at', { spare: 1 }),
      column('REASON', 'reason', { spare: 2, least: 8 }),
    ],
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
];
