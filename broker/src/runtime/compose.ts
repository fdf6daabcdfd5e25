import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { type AgentRegistry, requireSound, rolloutFaults } from '@agent-ticket/shared/registry.ts';
import { createRemoteKeys } from '@agent-ticket/shared/remote-keys.ts';
import { type AnchorBucket, allAnchors, bucketAnchor, webhookAnchor } from '../audit/anchor.ts';
import type { BrokerConfig } from '../config/config.ts';
import { workerMisfits } from '../config/workers.ts';
import { createAccessGroups } from '../credentials/access-groups.ts';
import type { CredentialPorts } from '../credentials/authenticate.ts';
import { claimRuleFaults } from '../credentials/claim-rules.ts';
import type { ForeignIssuer, IssuerWithKeys } from '../credentials/foreign-jwt.ts';
import { knownPermissions } from '../credentials/permissions.ts';
import { registeredKeys } from '../credentials/registered-keys.ts';
import { digestSecret } from '../credentials/secret.ts';
import { createKeyring } from '../keys/keyring.ts';
import type { BrokerPorts } from './ports.ts';

/** The parts that differ between Workers and Node. */
export interface Runtime
  extends Pick<
    BrokerPorts,
    | 'shard'
    | 'sendControl'
    | 'ping'
    | 'clock'
    | 'randomId'
    | 'randomBytes'
    | 'addressOf'
    | 'isByTls'
    | 'later'
    | 'log'
    | 'consoleFile'
    | 'archive'
    | 'post'
    | 'measure'
    | 'metricsText'
  > {
  readonly control: ControlStore;
  readonly record: RecordStore;
  /** One request; may reject. A redirect is an answer like any other. */
  readonly fetch: (
    url: string,
    init: { method?: string; headers?: Record<string, string>; body?: string; signal: AbortSignal },
  ) => Promise<Response>;
  readonly sleep: (ms: number) => Promise<void>;
  /** `digestSecret` with the configured pepper, where that needs no other thread. */
  readonly digestSecret?: (secret: string) => string;
  /** Where checkpoints of the audit log are kept as well, where there is such a bucket. */
  readonly anchorBucket?: AnchorBucket | undefined;
}

/**
 * Makes the broker from its configuration, its agents and the runtime's parts. Throws when the registry is not sound, or
 * when the configuration does not fit it.
 */
export function compose(config: BrokerConfig, registry: AgentRegistry, runtime: Runtime): BrokerPorts {
  requireSound(registry);
  const late = rolloutFaults(registry, runtime.clock());
  if (late.length > 0) throw new Error(`agent registry is not sound. ${late.join('; ')}`);
  const misfits = [
    ...workerMisfits(registry, config.workers),
    ...claimRuleFaults(config.claimRules, knownPermissions(registry)),
    ...(config.auditHotMs !== undefined && runtime.archive === undefined
      ? ['AUDIT_HOT_DAYS: there is no archive to move events to']
      : []),
  ];
  if (misfits.length > 0) throw new Error(`broker is not configured. ${misfits.join('; ')}`);
  const keyringOf = (purpose: 'ticket' | 'audit') => createKeyring({ ...runtime, config, purpose });
  const anchors = [
    ...(config.auditAnchorUrl === undefined ? [] : [webhookAnchor(config.auditAnchorUrl, runtime)]),
    ...(runtime.anchorBucket === undefined ? [] : [bucketAnchor(runtime.anchorBucket)]),
  ];
  return {
    ...runtime,
    config,
    registry,
    keyring: keyringOf('ticket'),
    auditKeyring: keyringOf('audit'),
    anchor: allAnchors(anchors),
    exports: new Map(),
    credentials: credentialPorts(config, runtime),
  };
}

function credentialPorts(config: BrokerConfig, runtime: Runtime): CredentialPorts {
  const { control, fetch, randomId } = runtime;
  const forKeys = { ...runtime, fetch: counted(runtime) };
  const { claimRules: rules, signIn, issuer } = config;
  const auth0 = config.auth0.map((each) => withKeys(each, forKeys));
  const ownOrigin = config.baseUrl ?? new URL(issuer).origin;
  // ID and logout tokens have the OAuth client as audience; only their keys are those of the tenant's access tokens.
  const tenantKeys = auth0.find((each) => each.issuer.issuer === signIn?.tenant.issuer)?.keys;
  return {
    serviceTokens: {
      tokens: control.serviceTokens,
      digest: runtime.digestSecret ?? ((secret) => digestSecret(secret, config.tokenPepper)),
      later: runtime.later,
    },
    access: {
      issuers: config.access.map((each) => withKeys(each, forKeys)),
      groups: createAccessGroups(runtime),
      rules,
    },
    auth0: { issuers: auth0, rules },
    oidc: {
      issuers: config.oidc.map((each) => registeredKeys(each, forKeys)),
      rules,
      usedTokens: control.usedTokens,
    },
    caep: config.caep.map((each) => registeredKeys(each, forKeys)),
    signIn:
      signIn === undefined || tenantKeys === undefined
        ? undefined
        : {
            config: signIn,
            tenant: { issuer: { ...signIn.tenant, audiences: [signIn.clientId] }, keys: tenantKeys },
            control,
            rules,
            fetch,
          },
    trustedOrigins: config.trustedOrigins,
    ownOrigin,
    openToAll: config.openToAll,
    randomId,
  };
}

/** The fetch of key sets, each counted by whether it was answered. */
const counted =
  ({ fetch, measure }: Pick<Runtime, 'fetch' | 'measure'>): Runtime['fetch'] =>
  async (url, init) => {
    try {
      const answer = await fetch(url, init);
      measure('key_fetches_total', { outcome: answer.status === 200 ? 'success' : 'error' });
      return answer;
    } catch (error) {
      measure('key_fetches_total', { outcome: 'error' });
      throw error;
    }
  };

/** An issuer with a key cache of its own. */
const withKeys = (
  issuer: ForeignIssuer,
  { fetch, clock, sleep }: Pick<Runtime, 'fetch' | 'clock' | 'sleep'>,
): IssuerWithKeys => ({
  issuer,
  keys: createRemoteKeys(
    { fetchSet: (signal) => fetch(issuer.keysUrl, { signal }), clock, sleep },
    { algorithms: ['RS256'] },
  ),
});
