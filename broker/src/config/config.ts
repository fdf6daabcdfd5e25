import { AUDIT_HOT_DAYS_LEAST } from '@agent-ticket/shared/limits.ts';
import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import {
  BaseUrl,
  isLoopback,
  Key256,
  List,
  Mode,
  Origins,
  OriginUrl,
  readSettings,
} from '@agent-ticket/shared/settings.ts';
import * as z from 'zod';
import type { SignInConfig } from '../credentials/auth0-session.ts';
import { ClaimRule } from '../credentials/claim-rules.ts';
import { type ForeignIssuer, MAX_AGE_SECONDS } from '../credentials/foreign-jwt.ts';
import { LABEL_KINDS, type LabelKind } from '../credentials/principal.ts';
import type { CaepTransmitter, WorkloadIssuer } from '../credentials/registered-keys.ts';
import { DEFAULT_SCHEDULE, type KeySchedule, scheduleFaults } from '../keys/schedule.ts';
import { DEFAULT_SHARDS, MAX_SHARDS } from '../mint/shard.ts';
import { CaepIssuer, caepFault, caepTransmitters } from './caep.ts';
import {
  ACCESS,
  AUTH0,
  foreignIssuers,
  issuerFault,
  OidcIssuer,
  oidcFault,
  signInConfig,
  signInFault,
  workloadIssuer,
} from './issuers.ts';
import { GATE_SETTINGS, mountFaults, withoutAgentPages } from './mount.ts';
import {
  type AgentWorker,
  Audience,
  Workers,
  type WorkersByName,
  workersFaults,
  workersOf,
} from './workers.ts';

const DAY_MS = 86_400_000;

const Whole = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(least).max(most));

const Domains = List.pipe(
  z.array(z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'must be host names')).min(1),
);
const Audiences = List.pipe(z.array(z.string().min(1).max(512)).min(1));
const KeyUrls = List.pipe(z.array(BaseUrl).min(1));

/** A setting that is a JSON list. A fault names the item by its place, from 1, and the member; never a value. */
const jsonList = <T>(item: z.ZodType<T>, what: string) =>
  z.string().transform((text, ctx): T[] => {
    const items = z.array(item).safeParse(parseJson(text));
    if (items.success) return items.data;
    const [issue] = items.error.issues;
    const [index, ...path] = issue?.path ?? [];
    const where = typeof index === 'number' ? ` in number ${index + 1} ${path.join('.')}` : '';
    ctx.addIssue({
      code: 'custom',
      message: `must be a JSON list of ${what}:${where} ${issue?.message ?? ''}`,
    });
    return z.NEVER;
  });

/** In a line of its own, so it has no spaces and no controls. */
const ContactUri = z
  .string()
  .max(512)
  .regex(/^(https:\/\/|mailto:|tel:)[\x21-\x7e]+$/, 'must be an https, mailto or tel address');

export const Settings = z
  .strictObject({
    ISSUER: BaseUrl,
    TICKET_AUDIENCE: Audience.optional(),
    AGENT_WORKER_URL: OriginUrl.optional(),
    /** Where there are several. */
    WORKERS: Workers.optional(),
    KEK: Key256,
    /** The one before it, while keys are still sealed with it. */
    KEK_PREVIOUS: Key256.optional(),
    KEY_ROTATION_DAYS: Whole(1, 366).default(DEFAULT_SCHEDULE.everyMs / DAY_MS),
    KEY_PUBLISH_LEAD_SECONDS: Whole(1, 7 * 86_400).default(DEFAULT_SCHEDULE.leadMs / 1000),
    KEY_RETIRE_LAG_SECONDS: Whole(1, 7 * 86_400).default(DEFAULT_SCHEDULE.lagMs / 1000),
    AUDIT_RETENTION_DAYS: Whole(1, 36_600).default(400),
    /** How long events are in the record database before they move to the archive; left out: none moves. */
    AUDIT_HOT_DAYS: Whole(AUDIT_HOT_DAYS_LEAST, 36_600).optional(),
    SESSION_RETENTION_DAYS: Whole(1, 36_600).default(400),
    INVOCATION_RETENTION_DAYS: Whole(1, 36_600).default(90),
    /** Gets each checkpoint by POST, to keep outside the operator's control. */
    AUDIT_ANCHOR_URL: BaseUrl.optional(),
    /** Where people report a vulnerability (RFC 9116 §2.5.3); left out: there is no security.txt. */
    SECURITY_CONTACT: ContactUri.optional(),
    TOKEN_PEPPER: Key256,
    /** By what operators see people: verified e-mail, name, or nothing beside the id. */
    PRINCIPAL_LABEL: z.enum(LABEL_KINDS).default('email'),
    SHARDS: Whole(1, MAX_SHARDS).default(DEFAULT_SHARDS),
    ALLOWED_ORIGINS: Origins.default([]),
    MODE: Mode.default('production'),
    AUTH_MODE: z.enum(['required', 'none']).default('required'),
    CLAIM_RULES: jsonList(ClaimRule, 'claim rules').default([]),
    OIDC_ISSUERS: jsonList(OidcIssuer, 'issuers').default([]),
    /** Transmitters of security events, which may sign people of an issuer out. */
    CAEP_ISSUERS: jsonList(CaepIssuer, 'transmitters').default([]),
    /** Issuers, each exactly `iss`, whose verified addresses e-mail grants may match. */
    TRUST_EMAIL: List.default([]),
    CF_ACCESS_TEAM_DOMAIN: Domains.optional(),
    CF_ACCESS_AUD: Audiences.optional(),
    CF_ACCESS_CERTS_URL: KeyUrls.optional(),
    /** Left out: an assertion is accepted until its `exp`, which is the session duration of the application. */
    CF_ACCESS_MAX_AGE_HOURS: Whole(1, 744).optional(),
    AUTH0_DOMAIN: Domains.optional(),
    AUTH0_AUDIENCE: Audiences.optional(),
    AUTH0_JWKS_URL: KeyUrls.optional(),
    AUTH0_CLIENT_ID: z.string().min(1).max(256).optional(),
    AUTH0_CLIENT_SECRET: z.string().min(1).max(512).optional(),
    AUTH0_SESSION_ENCRYPTION_KEY: z.string().min(32, 'must be 32 characters or more').max(512).optional(),
    /** The broker's origin as browsers know it; cookies and the callback belong to it. */
    BASE_URL: OriginUrl.optional(),
    /** No dots: they number the parts of a cookie. */
    AUTH0_COOKIE_NAME: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be letters, digits, _ and -')
      .default('appSession'),
    AUTH0_TENANT_URL: BaseUrl.optional(),
  })
  .superRefine((s, ctx) => {
    const fault = (name: string, message: string | undefined) => {
      if (message !== undefined) ctx.addIssue({ code: 'custom', path: [name], message });
    };
    const local =
      s.MODE === 'development' && URL.canParse(s.ISSUER) && isLoopback(new URL(s.ISSUER).hostname);
    for (const [name, message] of workersFaults(s)) fault(name, message);
    if (s.AUTH_MODE === 'none' && !local) fault('AUTH_MODE', 'none is for MODE=development on loopback only');
    if (s.KEK_PREVIOUS?.toString() === s.KEK.toString()) fault('KEK_PREVIOUS', 'must not be KEK itself');
    if (s.INVOCATION_RETENTION_DAYS > s.SESSION_RETENTION_DAYS)
      fault('INVOCATION_RETENTION_DAYS', 'must not be more than SESSION_RETENTION_DAYS');
    if ((s.AUDIT_HOT_DAYS ?? 0) >= s.AUDIT_RETENTION_DAYS)
      fault('AUDIT_HOT_DAYS', 'must be less than AUDIT_RETENTION_DAYS');
    const late = scheduleFaults(scheduleOf(s));
    fault('KEY_ROTATION_DAYS', late.everyMs);
    fault('KEY_PUBLISH_LEAD_SECONDS', late.leadMs);
    fault('KEY_RETIRE_LAG_SECONDS', late.lagMs);
    if (
      s.CF_ACCESS_TEAM_DOMAIN !== undefined ||
      s.CF_ACCESS_AUD !== undefined ||
      s.CF_ACCESS_CERTS_URL !== undefined ||
      s.CF_ACCESS_MAX_AGE_HOURS !== undefined
    )
      fault('CF_ACCESS_AUD', issuerFault(accessSettings(s)));
    if (s.AUTH0_DOMAIN !== undefined || s.AUTH0_AUDIENCE !== undefined || s.AUTH0_JWKS_URL !== undefined)
      fault('AUTH0_AUDIENCE', issuerFault(auth0Settings(s)));
    const signIn = signInFault(s, foreignIssuers(AUTH0, auth0Settings(s)));
    if (signIn !== undefined) fault(...signIn);
    const others = [...foreignIssuers(ACCESS, accessSettings(s)), ...foreignIssuers(AUTH0, auth0Settings(s))];
    fault(
      'OIDC_ISSUERS',
      oidcFault(
        s.OIDC_ISSUERS,
        others.map(({ issuer }) => issuer),
      ),
    );
    fault('CAEP_ISSUERS', caepFault(s.CAEP_ISSUERS, [...others, ...s.OIDC_ISSUERS]));
  });
export type Settings = z.output<typeof Settings>;

const scheduleOf = (
  s: Pick<Settings, 'KEY_ROTATION_DAYS' | 'KEY_PUBLISH_LEAD_SECONDS' | 'KEY_RETIRE_LAG_SECONDS'>,
): KeySchedule => ({
  everyMs: s.KEY_ROTATION_DAYS * DAY_MS,
  leadMs: s.KEY_PUBLISH_LEAD_SECONDS * 1000,
  lagMs: s.KEY_RETIRE_LAG_SECONDS * 1000,
});

const accessSettings = (
  s: Pick<
    Settings,
    'CF_ACCESS_TEAM_DOMAIN' | 'CF_ACCESS_AUD' | 'CF_ACCESS_CERTS_URL' | 'CF_ACCESS_MAX_AGE_HOURS'
  >,
) => ({
  domains: s.CF_ACCESS_TEAM_DOMAIN ?? [],
  audiences: s.CF_ACCESS_AUD ?? [],
  keyUrls: s.CF_ACCESS_CERTS_URL,
  maxAgeSeconds: s.CF_ACCESS_MAX_AGE_HOURS === undefined ? null : s.CF_ACCESS_MAX_AGE_HOURS * 3600,
});

const auth0Settings = (s: Pick<Settings, 'AUTH0_DOMAIN' | 'AUTH0_AUDIENCE' | 'AUTH0_JWKS_URL'>) => ({
  domains: s.AUTH0_DOMAIN ?? [],
  audiences: s.AUTH0_AUDIENCE ?? [],
  keyUrls: s.AUTH0_JWKS_URL,
  maxAgeSeconds: MAX_AGE_SECONDS,
});

export interface BrokerConfig {
  readonly issuer: string;
  readonly workers: readonly AgentWorker[];
  readonly keyEncryptionKey: Uint8Array<ArrayBuffer>;
  readonly previousKeyEncryptionKey: Uint8Array<ArrayBuffer> | undefined;
  readonly keySchedule: KeySchedule;
  readonly auditRetentionMs: number;
  /** Age at which events move to the archive; undefined: none moves. */
  readonly auditHotMs: number | undefined;
  readonly sessionRetentionMs: number;
  readonly invocationRetentionMs: number;
  readonly auditAnchorUrl: string | undefined;
  readonly tokenPepper: Uint8Array<ArrayBuffer>;
  readonly principalLabel: LabelKind;
  /** The contact for reports of vulnerabilities; undefined: the broker publishes none. */
  readonly securityContact: string | undefined;
  /** How many mint shards share the load on Workers. */
  readonly shards: number;
  /** Pages that may read our answers. */
  readonly allowedOrigins: readonly string[];
  /** Pages that may use a credential that the browser adds by itself, and to which a sign-in may return: ours as well. */
  readonly trustedOrigins: readonly string[];
  /** The broker's origin as browsers know it, where that is another than the issuer's. */
  readonly baseUrl: string | undefined;
  /** Everyone on loopback is one development principal. Never true in production. */
  readonly openToAll: boolean;
  readonly claimRules: readonly ClaimRule[];
  readonly trustEmail: readonly string[];
  readonly oidc: readonly WorkloadIssuer[];
  readonly access: readonly ForeignIssuer[];
  readonly auth0: readonly ForeignIssuer[];
  readonly caep: readonly CaepTransmitter[];
  /** Left out: nobody signs in at the broker itself. */
  readonly signIn: SignInConfig | undefined;
}

export const BEGINNINGS =
  /^(AGENT_WORKER|ALLOWED_ORIGIN|AUDIT_|AUTH_MODE|AUTH0_|CAEP_|CF_ACCESS|CLAIM_RULE|CONTROL_D(ATABASE|B)|KEK(_|$)|KEY_(PUBLISH|RETIRE|ROTATION)|OIDC_ISSUER|PRINCIPAL_|RECORD_D(ATABASE|B)|TICKET_|TOKEN_PEPPER|TRUST_EMAIL|TRUSTED_)/;

/** What the entry file says beside the settings. */
export interface SettingsInCode {
  /** Agent workers, in place of the setting `WORKERS`. */
  readonly workers?: WorkersByName | undefined;
  /** Where the broker is mounted in the worker of its agents. */
  readonly basePath?: string | undefined;
}

/** The configuration in a Worker's env. Throws an `Error` that names each wrong setting and no value. */
export function readConfig(env: object, { workers, basePath }: SettingsInCode = {}): BrokerConfig {
  const named = { ...env, ...(workers === undefined ? {} : { WORKERS: JSON.stringify(workers) }) };
  const read = (settings: object) => configOf(readSettings('broker', Settings, settings, BEGINNINGS));
  if (workers !== undefined && 'WORKERS' in env) throw notConfigured(['WORKERS: the code names workers']);
  if (basePath === undefined) return read(named);
  if ('WORKERS' in named)
    throw notConfigured([
      'WORKERS: with a basePath there is one worker, the one that the broker is mounted in',
    ]);
  const ofGate = (name: string) => GATE_SETTINGS.includes(name);
  const config = read(Object.fromEntries(Object.entries(env).filter(([name]) => !ofGate(name))));
  const faults = mountFaults(config, basePath);
  if (faults.length > 0) throw notConfigured(faults);
  return withoutAgentPages(config);
}

const notConfigured = (faults: readonly string[]): Error =>
  new Error(`broker is not configured. ${faults.join('; ')}`);

/** The configuration that settings make. */
export function configOf(s: Settings): BrokerConfig {
  const baseUrl = s.BASE_URL === undefined ? undefined : new URL(s.BASE_URL).origin;
  const oidc = s.OIDC_ISSUERS.map(workloadIssuer);
  const access = foreignIssuers(ACCESS, accessSettings(s));
  const auth0 = foreignIssuers(AUTH0, auth0Settings(s));
  return {
    issuer: s.ISSUER,
    workers: workersOf(s),
    keyEncryptionKey: s.KEK,
    previousKeyEncryptionKey: s.KEK_PREVIOUS,
    keySchedule: scheduleOf(s),
    auditRetentionMs: s.AUDIT_RETENTION_DAYS * DAY_MS,
    auditHotMs: s.AUDIT_HOT_DAYS === undefined ? undefined : s.AUDIT_HOT_DAYS * DAY_MS,
    sessionRetentionMs: s.SESSION_RETENTION_DAYS * DAY_MS,
    invocationRetentionMs: s.INVOCATION_RETENTION_DAYS * DAY_MS,
    auditAnchorUrl: s.AUDIT_ANCHOR_URL,
    tokenPepper: s.TOKEN_PEPPER,
    principalLabel: s.PRINCIPAL_LABEL,
    securityContact: s.SECURITY_CONTACT,
    shards: s.SHARDS,
    allowedOrigins: s.ALLOWED_ORIGINS,
    trustedOrigins: [
      ...s.ALLOWED_ORIGINS,
      new URL(s.ISSUER).origin,
      ...(baseUrl === undefined ? [] : [baseUrl]),
    ],
    baseUrl,
    openToAll: s.AUTH_MODE === 'none',
    claimRules: s.CLAIM_RULES,
    trustEmail: s.TRUST_EMAIL,
    oidc,
    access,
    auth0,
    caep: caepTransmitters(s.CAEP_ISSUERS, [...access, ...auth0, ...oidc]),
    signIn: signInConfig(s, auth0),
  };
}
