import { type Check, errorOf, isOff, isSignInPage, listOf, skipped } from './check.ts';
import type { Facts } from './facts.ts';

const DAY_MS = 86_400_000;
const LATE_SECONDS = 180;
/** A run each minute moves more than arrives; an archive that is away for an hour is worth a look. */
const LATE_ARCHIVE_SECONDS = 3_600;
const SOON_MS = 7 * DAY_MS;
const OLD_KEY_MS = 60 * DAY_MS;
const LONGEST_CACHE_SECONDS = 300;

const NO_BROKER = skipped('No broker answers.');
const NOT_READY = skipped('/readyz says nothing of it.');
const NO_CREDENTIAL = skipped(
  'There is no credential that the broker takes: see "agent-ticket login --help".',
);

/** A finding about a number of `/readyz`. */
const ready =
  (member: string, isWrong: (value: unknown) => boolean, finding: string): Check<Facts>['look'] =>
  ({ ready: answer }) => {
    const value = answer?.body?.[member];
    if (value === undefined) return NOT_READY;
    return isWrong(value) ? finding : undefined;
  };
const above = (most: number) => (value: unknown) => typeof value === 'number' && value > most;

/** A finding about a document that everybody may read. */
const published =
  (member: 'keySet' | 'auditKeySet', path: string): Check<Facts>['look'] =>
  ({ health, [member]: answer }) => {
    if (health?.body?.status !== 'ok') return NO_BROKER;
    if (answer === undefined || isSignInPage(answer))
      return `${path} is not public. Take it out of the Access application by one with a bypass policy for this path.`;
    if (answer.status !== 200 || listOf(answer.body?.keys).length === 0)
      return `${path} has no key (${answer.status}). See the log of the broker: the database, or KEK.`;
    return undefined;
  };

/** Faults of a broker, as seen from outside. */
export const BROKER_CHECKS: readonly Check<Facts>[] = [
  {
    name: 'address answers',
    look: ({ health, broker }) =>
      health === undefined
        ? `${broker} does not answer. Check the address, DNS and the certificate.`
        : undefined,
  },
  {
    name: 'no sign-in in front',
    look: ({ health }) => {
      if (health === undefined) return NO_BROKER;
      return isSignInPage(health)
        ? 'A sign-in page answers in place of the broker. Use the hostname that has no Access application.'
        : undefined;
    },
  },
  {
    name: 'broker answers',
    look: ({ health }) => {
      if (health === undefined || isSignInPage(health)) return NO_BROKER;
      return health.status === 200 && health.body?.status === 'ok'
        ? undefined
        : `No broker is at this address (${health.status}). Give the ISSUER of the broker.`;
    },
  },
  {
    name: 'issuer is the address',
    look: ({ metadata, broker }) => {
      const issuer = metadata?.body?.issuer;
      if (typeof issuer !== 'string') return skipped('The broker answers no metadata.');
      return issuer === broker
        ? undefined
        : `ISSUER of the broker is ${issuer}, and it was asked at ${broker}. They must be the same, character by character, unless this is its second hostname.`;
    },
  },
  {
    name: 'clock of the broker',
    look: (facts) => {
      const { claims, health, now } = facts;
      const iat = claims?.iat;
      const date = Date.parse(health?.headers.get('date') ?? '');
      const at = typeof iat === 'number' ? iat * 1000 : date;
      if (Number.isNaN(at)) return NO_BROKER;
      return isOff(at, facts)
        ? `The clocks of the broker and of this machine differ by ${Math.round(Math.abs(now - at) / 1000)} s. Set the wrong one by NTP.`
        : undefined;
    },
  },
  {
    name: 'tickets can be minted',
    look: ({ ready: answer }) => {
      if (answer?.body?.mint === undefined) return NOT_READY;
      return answer.body.mint === true
        ? undefined
        : `No ticket can be made: ${errorOf(answer)}. Where no key opens, KEK is another one than the keys were sealed with: set it, or the old one as KEK_PREVIOUS. Where a table is missing, apply the migrations of CONTROL.`;
    },
  },
  {
    name: 'keys can be handed out',
    look: ready(
      'verify',
      (value) => value !== true,
      'No key can be published. Check KEK and the control database.',
    ),
  },
  {
    name: 'record is written',
    look: ready(
      'record',
      (value) => value !== true,
      'The record database takes no event. Apply the migrations of RECORD, and check its binding.',
    ),
  },
  {
    name: 'keys of issuers',
    look: ready(
      'key_sets_unusable',
      (value) => Array.isArray(value) && value.length > 0,
      'An issuer publishes no key that can be used. Compare its domain in the settings with the address of its keys.',
    ),
  },
  {
    name: 'cron trigger',
    look: ready(
      'checkpoint_age',
      above(LATE_SECONDS),
      'The audit log has had no checkpoint for minutes. Add "triggers": { "crons": ["* * * * *"] } to the broker, and see its log.',
    ),
  },
  {
    name: 'audit log is the noted one',
    look: ready(
      'audit_seal',
      (value) => value !== null && value !== 'agrees',
      'The audit log is not the one that the control database has noted, and nothing is sealed. After a restore of a backup: agent-ticket audit accept-restore. Otherwise another party changed the record database: see docs/operate/restore.md.',
    ),
  },
  {
    name: 'no revoked key is back',
    look: ready(
      'keys_revoked_in_record',
      above(0),
      'A key of the control database was revoked, as the record database knows: a backup was restored. It signs nothing. Revoke it again: agent-ticket keys list, agent-ticket keys revoke <kid>',
    ),
  },
  {
    name: 'archive keeps up',
    look: ready(
      'archive_overdue',
      above(LATE_ARCHIVE_SECONDS),
      'Events that should be in the archive are in the record database. See the lines archive_refused and scheduled_failed with the step archive in the log of the broker, and docs/operate/archive.md.',
    ),
  },
  {
    name: 'events arrive',
    look: ready(
      'waiting_age',
      above(LATE_SECONDS),
      'Events wait for the record database. Check its binding, its migrations and its size.',
    ),
  },
  {
    name: 'changes are delivered',
    look: ({ ready: answer }) => {
      const { changes_waiting: waiting, checkpoint_age: age } = answer?.body ?? {};
      if (typeof waiting !== 'number') return NOT_READY;
      return waiting > 100 || (waiting > 0 && above(LATE_SECONDS)(age))
        ? `${waiting} changes wait for an agent worker or the record database. Check AGENT_WORKER_URL, and that both have the same TICKET_AUDIENCE.`
        : undefined;
    },
  },
  {
    name: 'registries agree',
    look: ready(
      'workers_differing',
      above(0),
      'An agent worker serves other agents than the registry of the broker says. Deploy both from one agents.ts; the log of the broker names them.',
    ),
  },
  {
    name: 'agent workers answer',
    look: ready(
      'workers_unanswered',
      above(0),
      'An agent worker has not answered the broker for minutes. Check AGENT_WORKER_URL, its ISSUER, that its own database RECORD has its tables (wrangler d1 migrations apply RECORD), and that no Access application is in front of it.',
    ),
  },
  { name: 'key set is public', look: published('keySet', '/.well-known/jwks.json') },
  { name: 'audit keys are public', look: published('auditKeySet', '/.well-known/audit-jwks.json') },
  {
    name: 'key set is fresh',
    look: ({ keySet }) => {
      const age = /max-age=(\d+)/.exec(keySet?.headers.get('cache-control') ?? '')?.[1];
      if (keySet?.status !== 200) return skipped('The key set is not public.');
      return age === undefined || Number(age) > LONGEST_CACHE_SECONDS
        ? 'A cache in front of the broker changes how long its keys are kept. Exclude /.well-known from its rules.'
        : undefined;
    },
  },
  {
    name: 'credential',
    look: ({ me, hasCredential }) => {
      if (!hasCredential) return NO_CREDENTIAL;
      if (me === undefined) return NO_BROKER;
      return me.status === 200
        ? undefined
        : `The broker does not take the credential (${me.status}). Where all service tokens fail, TOKEN_PEPPER was changed; where Auth0 tokens fail, compare AUTH0_AUDIENCE with the "aud" of the token.`;
    },
  },
  {
    name: 'credential lasts',
    look: ({ me, now }) => {
      const end = me?.body?.expires_at;
      if (me?.status !== 200) return NO_CREDENTIAL;
      return typeof end === 'string' && me.body?.method === 'service-token' && Date.parse(end) - now < SOON_MS
        ? `The service token ends at ${end}. Make another one by: agent-ticket service-tokens create`
        : undefined;
    },
  },
  {
    name: 'keys are rotated',
    look: ({ keys, now }) => {
      if (keys?.status !== 200) return skipped('The credential has no permission keys:read.');
      const active = listOf(keys.body?.items).find(({ state }) => state === 'active');
      if (active === undefined)
        return 'No key is active. See "agent-ticket keys list" and the log of the broker.';
      return now - Date.parse(String(active.activates_at)) > OLD_KEY_MS
        ? 'The active key is older than 60 days: rotation does not run. Check the cron trigger, and rotate by: agent-ticket keys rotate'
        : undefined;
    },
  },
];
