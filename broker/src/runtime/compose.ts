import { authSessionQueries } from '@agent-ticket/drizzle/control/auth-sessions.ts';
import { changeEventQueries } from '@agent-ticket/drizzle/control/change-events.ts';
import type { ControlDatabase } from '@agent-ticket/drizzle/control/database.ts';
import { deletionQueries } from '@agent-ticket/drizzle/control/deletions.ts';
import { grantQueries } from '@agent-ticket/drizzle/control/grants.ts';
import { revokeKey } from '@agent-ticket/drizzle/control/key-revocation.ts';
import { lockQueries } from '@agent-ticket/drizzle/control/locks.ts';
import { outboxQueries } from '@agent-ticket/drizzle/control/outbox.ts';
import { policyQueries } from '@agent-ticket/drizzle/control/policy.ts';
import { serviceTokenQueries } from '@agent-ticket/drizzle/control/service-tokens.ts';
import { signingKeyQueries } from '@agent-ticket/drizzle/control/signing-keys.ts';
import { usedTokenQueries } from '@agent-ticket/drizzle/control/used-tokens.ts';
import { checkpointQueries } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import { auditLogQueries } from '@agent-ticket/drizzle/record/audit-log.ts';
import type { RecordDatabase } from '@agent-ticket/drizzle/record/database.ts';
import { invocationQueries } from '@agent-ticket/drizzle/record/invocations.ts';
import { recordLockQueries } from '@agent-ticket/drizzle/record/locks.ts';
import { recallQueries } from '@agent-ticket/drizzle/record/recalls.ts';
import { sessionQueries } from '@agent-ticket/drizzle/record/sessions.ts';
import { AGENTS } from '@agent-ticket/shared/agents.ts';
import { validateAgentRegistry } from '@agent-ticket/shared/registry.ts';
import { createRemoteKeys } from '@agent-ticket/shared/remote-keys.ts';
import { type AnchorBucket, allAnchors, bucketAnchor, webhookAnchor } from '../audit/anchor.ts';
import { announcer } from '../audit/announce.ts';
import type { BrokerConfig } from '../config/config.ts';
import type { ForeignIssuer } from '../config/issuers.ts';
import { createAccessGroups } from '../credentials/access-groups.ts';
import type { IssuerWithKeys } from '../credentials/foreign-jwt.ts';
import { workloadKeys } from '../credentials/workload-keys.ts';
import { createKeyring } from '../keys/keyring.ts';
import type { Ledger } from '../mint/ledger.ts';
import type { TerminationPorts } from '../revocation/termination.ts';
import type { SignInPorts } from '../sign-in/ports.ts';
import type { ExpiringPorts } from './forget-expired.ts';
import type { BrokerPorts } from './ports.ts';

/** What differs between the runtimes. */
export interface Runtime {
  readonly control: ControlDatabase;
  readonly record: RecordDatabase;
  readonly sendControl: TerminationPorts['sendControl'];
  readonly ledger: Ledger;
  /** Counters that lie in the record database, where the ledger does. */
  readonly rates?: ExpiringPorts['expiring']['rates'];
  readonly pingDatabases: () => Promise<void>;
  readonly fetch: (
    url: string,
    init: { method?: string; headers?: Record<string, string>; body?: string; signal: AbortSignal },
  ) => Promise<Response>;
  readonly sleep: (ms: number) => Promise<void>;
  /** Where checkpoints of the audit log are kept as well, where there is such a bucket. */
  readonly anchorBucket?: AnchorBucket | undefined;
  readonly clock: () => number;
  readonly randomId: () => string;
  readonly randomBytes: (length: number) => Uint8Array<ArrayBuffer>;
  readonly addressOf: (request: Request) => string | null;
  readonly later: (work: Promise<void>) => void;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** Puts the broker together from its configuration and the runtime's parts. Throws when the registry is not sound. */
export function compose(config: BrokerConfig, runtime: Runtime): BrokerPorts {
  const faults = validateAgentRegistry(AGENTS);
  if (faults.length > 0) throw new Error(`agent registry is not sound. ${faults.join('; ')}`);
  const { control, record, ledger, clock, randomId, randomBytes, log } = runtime;
  const changeEvents = changeEventQueries(control);
  const keyringOf = (purpose: 'ticket' | 'audit') =>
    createKeyring({
      keys: signingKeyQueries(control),
      purpose,
      schedule: config.keySchedule,
      keyEncryptionKey: config.keyEncryptionKey,
      previousKeyEncryptionKey: config.previousKeyEncryptionKey,
      randomBytes,
      randomId,
      announce: announcer({ changeEvents, ledger, log }),
    });
  const keyring = keyringOf('ticket');
  const { issuer, ticketAudience } = config;
  const auth0 = config.auth0.map((each) => withKeys(each, runtime));
  const usedTokens = usedTokenQueries(control);
  return {
    issuer,
    ticketAudience,
    agentWorkerUrl: config.agentWorkerUrl,
    allowedOrigins: config.allowedOrigins,
    registry: AGENTS,
    policy: policyQueries(control),
    grants: grantQueries(control),
    locks: lockQueries(control),
    sessions: sessionQueries(record),
    trustEmail: config.trustEmail,
    termination: {
      issuer,
      ticketAudience,
      outbox: outboxQueries(control),
      locks: lockQueries(control),
      serviceTokens: serviceTokenQueries(control),
      deletions: deletionQueries(control),
      recordLocks: recordLockQueries(record),
      recalls: recallQueries(record),
      keyring,
      sendControl: runtime.sendControl,
      clock,
      randomId,
      log,
    },
    ledger,
    keyring,
    auditKeyring: keyringOf('audit'),
    auditLog: auditLogQueries(record),
    checkpoints: checkpointQueries(record),
    invocations: invocationQueries(record),
    retentionMs: config.auditRetentionMs,
    sessionRetentionMs: config.sessionRetentionMs,
    invocationRetentionMs: config.invocationRetentionMs,
    anchor: allAnchors([
      ...(config.auditAnchorUrl === undefined ? [] : [webhookAnchor(config.auditAnchorUrl, runtime)]),
      ...(runtime.anchorBucket === undefined ? [] : [bucketAnchor(runtime.anchorBucket)]),
    ]),
    changeEvents,
    revocation: { keyring, write: (revocation) => revokeKey(control, revocation) },
    credentials: {
      serviceTokens: {
        tokens: serviceTokenQueries(control),
        pepper: config.tokenPepper,
        later: runtime.later,
      },
      access: {
        issuers: config.access.map((issuer) => withKeys(issuer, runtime)),
        groups: createAccessGroups(runtime),
        rules: config.claimRules,
      },
      auth0: { issuers: auth0, rules: config.claimRules },
      oidc: {
        issuers: config.oidc.map((issuer) => workloadKeys(issuer, runtime)),
        rules: config.claimRules,
        usedTokens,
      },
      signIn: signInPorts(config, auth0, {
        sessions: authSessionQueries(control),
        usedTokens,
        rules: config.claimRules,
        fetch: runtime.fetch,
      }),
      trustedOrigins: [
        ...config.allowedOrigins,
        new URL(config.issuer).origin,
        ...(config.signIn === undefined ? [] : [config.signIn.baseUrl]),
      ],
      ownOrigin: config.signIn?.baseUrl ?? new URL(config.issuer).origin,
      openToAll: config.openToAll,
      randomId,
    },
    expiring: {
      sessions: authSessionQueries(control),
      usedTokens,
      recalls: recallQueries(record),
      rates: runtime.rates,
    },
    pingDatabases: runtime.pingDatabases,
    clock,
    randomId,
    randomBytes,
    addressOf: runtime.addressOf,
    log,
  };
}

/** ID and logout tokens are for the client; they share the keys of the tenant's access tokens and nothing else. */
function signInPorts(
  { signIn: config }: BrokerConfig,
  tenants: readonly IssuerWithKeys[],
  parts: Omit<SignInPorts, 'config' | 'tenant'>,
): SignInPorts | undefined {
  const keys = tenants.find(({ issuer }) => issuer.issuer === config?.tenant.issuer)?.keys;
  if (config === undefined || keys === undefined) return undefined;
  const { tenant, clientId } = config;
  return { ...parts, config, tenant: { issuer: { ...tenant, audiences: [clientId] }, keys } };
}

/** An issuer with a key cache of its own. */
const withKeys = (issuer: ForeignIssuer, { fetch, clock, sleep }: Runtime): IssuerWithKeys => ({
  issuer,
  keys: createRemoteKeys(
    { fetchSet: (signal) => fetch(issuer.keysUrl, { signal }), clock, sleep },
    { algorithms: ['RS256'] },
  ),
});
