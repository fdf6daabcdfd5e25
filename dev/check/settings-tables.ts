import { Settings as AgentWorkerSettings } from '@agent-ticket/agent-worker/src/config.ts';
import { DemoSettings } from '@agent-ticket/agent-worker/src/demo-settings.ts';
import { Settings as BrokerSettings } from '@agent-ticket/broker/src/config/config.ts';
import { NodeSettings } from '@agent-ticket/broker/src/runtime/node/config.ts';
import type * as z from 'zod';
import { code, table } from './markdown.ts';

/** Description of a setting for operators. */
type Description = string | { readonly secret: string };
/** Complete by its type: a setting without a description does not compile. */
type Descriptions<Shape> = Readonly<Record<keyof Shape, Description>>;

const LIST = 'Comma-separated';

const BROKER: Descriptions<typeof BrokerSettings.shape> = {
  ISSUER:
    'The broker’s own address, as tickets name it. With a path all addresses are below it, except the metadata (RFC 8414 §3.1) and the sign-in at `BASE_URL`',
  TICKET_AUDIENCE:
    'The name of the agent worker in tickets; the same text on both sides. Must be set, unless `WORKERS` names all',
  AGENT_WORKER_URL: 'Address of the agent worker, for the `url` of an answer; set together with the audience',
  WORKERS:
    'JSON object: more agent workers by the names that the registry has for them, each `{"url", "audience"}`, with `"control": false` for a server that takes no commands; see [several workers](../deploy/several-workers.md)',
  KEK: { secret: 'Encrypts signing keys at rest: 32 random bytes in base64url' },
  KEK_PREVIOUS: { secret: 'The `KEK` before it, while keys are still sealed with that' },
  KEY_ROTATION_DAYS: 'How long a signing key signs before the next one does',
  KEY_PUBLISH_LEAD_SECONDS: 'How long a key is published before it signs; at least 425',
  KEY_RETIRE_LAG_SECONDS: 'How long a key is published after it stopped signing; at least 310',
  AUDIT_RETENTION_DAYS: 'How long audit events are kept after they were sealed',
  AUDIT_HOT_DAYS:
    'How long after they were sealed audit events stay in the record database before they move to the [archive](../operate/archive.md); at least 7, and less than their retention. Left out: none moves',
  SESSION_RETENTION_DAYS: 'How long sessions are kept after they ended',
  INVOCATION_RETENTION_DAYS: 'How long invocations are kept; at most as long as sessions',
  AUDIT_ANCHOR_URL: 'Gets each checkpoint of the audit log by POST, to keep where the operator cannot reach',
  TOKEN_PEPPER: {
    secret: 'Goes into the digests of service-token secrets: 32 random bytes in base64url',
  },
  SECURITY_CONTACT:
    'Where people report a vulnerability: `https:`, `mailto:` or `tel:`. Makes `/.well-known/security.txt`',
  PRINCIPAL_LABEL:
    'The label by which operators see people: `email`, the verified address; `name`, as the issuer gives it; or `none`, which also deletes stored labels. See [personal data](../operate/personal-data.md)',
  SHARDS:
    'Objects among which accounts are divided for minting, on Workers; 1 to 64. See [mint shards](../operate/health.md)',
  ALLOWED_ORIGINS: `${LIST} exact origins of pages that may ask the broker`,
  MODE: '`production` or `development`',
  AUTH_MODE: '`required`, or `none`: everyone is one principal, in development on loopback only',
  CLAIM_RULES: 'JSON list: what verified claims are worth here; see below',
  OIDC_ISSUERS:
    'JSON list: registered issuers of workload tokens; see [workload identity](../identities/workload-identity.md)',
  CAEP_ISSUERS:
    'JSON list: transmitters of security events, which may sign people of an issuer out; see [webhooks](../operate/webhooks.md#caep-in)',
  TRUST_EMAIL: `${LIST} issuers, each exactly its \`iss\`, whose verified addresses e-mail grants may match`,
  CF_ACCESS_TEAM_DOMAIN: `${LIST} Access team domains, \`<team>.cloudflareaccess.com\``,
  CF_ACCESS_AUD: `${LIST} AUD tags of the Access applications; with several teams \`<team domain>|<AUD>\``,
  CF_ACCESS_MAX_AGE_HOURS:
    'The greatest age of an assertion; left out: it is accepted until it expires, as long as the session of the application',
  CF_ACCESS_CERTS_URL: `${LIST} key addresses in the order of the team domains, where they are elsewhere`,
  AUTH0_DOMAIN: `${LIST} Auth0 domains, without scheme`,
  AUTH0_AUDIENCE: `${LIST} API audiences, never a client id; with several domains \`<domain>|<audience>\``,
  AUTH0_JWKS_URL: `${LIST} key addresses in the order of the domains, where they are elsewhere`,
  AUTH0_CLIENT_ID:
    'The broker as an application of the first Auth0 domain; with it people [sign in](../identities/sign-in.md) here',
  AUTH0_CLIENT_SECRET: { secret: 'Secret of that application' },
  AUTH0_SESSION_ENCRYPTION_KEY: { secret: 'Encrypts the session cookie: 32 characters or more' },
  BASE_URL:
    'The broker’s origin as browsers know it, for cookies and the callback, and for Access where nobody signs in with Auth0',
  AUTH0_COOKIE_NAME: 'Name of the session cookie',
  AUTH0_TENANT_URL: 'Where the tenant is reached, where that is not its domain',
};

type OnNodeOnly = Omit<typeof NodeSettings.shape, keyof typeof BrokerSettings.shape>;

const DATABASE = '`file:<path>`, or `libsql://` and `https://` for a libSQL server';

const NODE: Descriptions<OnNodeOnly> = {
  AGENTS:
    'The registry: a module that exports `AGENTS`, or a list in a JSON file; from the working directory',
  CONTROL_DATABASE_URL: `The policy database: ${DATABASE}`,
  CONTROL_DATABASE_TOKEN: { secret: 'What that server asks for' },
  RECORD_DATABASE_URL: `The record database, never the same one: ${DATABASE}`,
  RECORD_DATABASE_TOKEN: { secret: 'What that server asks for' },
  AUDIT_ARCHIVE_URL:
    'The [archive](../operate/archive.md) of the audit log: `file:<folder>`, or `https://<host>/<bucket and folder>` of a server with the API of S3',
  AUDIT_ARCHIVE_REGION: 'Region of that server, as its signatures name it',
  AUDIT_ARCHIVE_KEY_ID: 'Access key id for that server',
  AUDIT_ARCHIVE_SECRET: { secret: 'Secret access key for that server' },
  HOST: 'Address to listen on',
  PORT: 'Port to listen on; `0` takes any that is free, and the log says which',
  TRUSTED_PROXIES: `${LIST} addresses and CIDR ranges of proxies whose \`X-Forwarded-For\` is believed`,
};

const AGENT_WORKER: Descriptions<typeof AgentWorkerSettings.shape & typeof DemoSettings.shape> = {
  ISSUER: 'The broker, character by character as in its own setting',
  TICKET_AUDIENCE: 'The name of this worker in tickets, as in the broker’s setting',
  BROKER_JWKS_URL: 'Where the broker’s keys are; left out: below `ISSUER`',
  AGENT_WORKER_URL:
    'The agent worker’s origin, as in the broker’s setting. URLs of [callbacks](../policy/callbacks.md) need it; metadata for MCP clients have the origin of the request without it',
  ALLOWED_ORIGINS: `${LIST} exact origins of pages that may open sockets, beside its own`,
  TICKET_REPLAY:
    '`note`, or `end-session`: a session ends when its ticket is shown again by somebody else; either way it is in the audit log',
  CALLBACK_KEY: {
    secret: 'Makes and verifies the tokens in URLs of callbacks: 32 random bytes in base64url',
  },
  CALLBACK_KEY_PREVIOUS: { secret: 'The `CALLBACK_KEY` before it, while URLs of it are in use' },
  MODE: '`production` or `development`, which lets plain http through',
  DEMO_MCP_SERVER: 'The demo page, in development on loopback only: an MCP server that asks for a sign-in',
  DEMO_ACCESS_URL: 'The demo page, in development on loopback only: what plays Cloudflare Access',
};

export const brokerSettings = (): string => settingsTable(BrokerSettings.shape, BROKER);
/** The settings of a broker on Node beyond {@link brokerSettings}. */
export const nodeSettings = (): string => {
  const known = Object.keys(BrokerSettings.shape);
  const own = Object.entries(NodeSettings.shape).filter(([name]) => !known.includes(name));
  return settingsTable(Object.fromEntries(own), NODE);
};
export const agentWorkerSettings = (): string =>
  settingsTable({ ...AgentWorkerSettings.shape, ...DemoSettings.shape }, AGENT_WORKER);

function settingsTable<Shape extends z.core.$ZodLooseShape>(
  shape: { readonly [Name in keyof Shape]: z.ZodType },
  descriptions: Descriptions<Shape>,
): string {
  const texts = new Map<string, Description>(Object.entries(descriptions));
  const rows = Object.entries(shape).map(([name, schema]) => {
    const about = texts.get(name) ?? '';
    const [kind, text] = typeof about === 'string' ? ['variable', about] : ['secret', about.secret];
    return [code(name), kind, defaultOf(schema), text] as const;
  });
  return table(['setting', 'kind', 'default', 'what it is'], rows);
}

function defaultOf(schema: z.ZodType): string {
  const parsed = schema.safeParse(undefined);
  if (!parsed.success) return 'must be set';
  const empty = parsed.data === undefined || (Array.isArray(parsed.data) && parsed.data.length === 0);
  return empty ? 'none' : code(String(parsed.data));
}
