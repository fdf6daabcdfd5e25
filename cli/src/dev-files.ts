import { PERMISSIONS } from '@agent-ticket/broker/src/credentials/permissions.ts';
import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import type { DevPorts } from './command.ts';
import { callbackKeyOf, type DevSecrets, type SeededCredential } from './open-secrets.ts';

export const DEV_AUDIENCE = 'agents.local';

export const addressOf = (port: number): string => `http://127.0.0.1:${port}`;

/** Settings of the broker that the stand-in for Access and Auth0 has, by name. */
type IdentitySettings = Readonly<Record<string, string>>;

/** The broker's settings for development, by name. */
export const brokerVars = (
  ports: DevPorts,
  secrets: Pick<DevSecrets, 'keyEncryptionKey' | 'tokenPepper'>,
  origins: readonly string[],
  identity: IdentitySettings,
) => ({
  ISSUER: addressOf(ports.broker),
  BASE_URL: addressOf(ports.broker),
  TICKET_AUDIENCE: DEV_AUDIENCE,
  AGENT_WORKER_URL: addressOf(ports.app),
  ALLOWED_ORIGINS: [addressOf(ports.app), ...origins].join(','),
  MODE: 'development',
  KEK: secrets.keyEncryptionKey,
  TOKEN_PEPPER: secrets.tokenPepper,
  AUTH0_SESSION_ENCRYPTION_KEY: secrets.keyEncryptionKey,
  ...identity,
});

/** The settings that the app needs, as lines of its `.dev.vars`. */
export const appVars = (ports: DevPorts): readonly string[] => [
  `ISSUER=${addressOf(ports.broker)}`,
  `TICKET_AUDIENCE=${DEV_AUDIENCE}`,
];

/** Settings by which agents have callbacks. */
export const callbackVars = (port: number, secrets: Pick<DevSecrets, 'keyEncryptionKey'>) => ({
  AGENT_WORKER_URL: addressOf(port),
  CALLBACK_KEY: callbackKeyOf(secrets),
});

/** The first line of a file that a later start may write anew. */
export const WRITTEN = '# Written by agent-ticket dev at each start.';

export const varsFile = (vars: Readonly<Record<string, string>>): string =>
  [WRITTEN, ...Object.entries(vars).map(([name, value]) => `${name}="${value}"`), ''].join('\n');

/** A worker that gives the broker, which runs in the app's process, a port of its own. */
export const frontFiles = (broker: string): readonly { readonly name: string; readonly text: string }[] => [
  { name: 'index.js', text: 'export default { fetch: (request, env) => env.BROKER.fetch(request) };\n' },
  {
    name: 'wrangler.json',
    text: `${JSON.stringify({
      name: `${broker}-port`,
      main: 'index.js',
      compatibility_date: '2026-08-01',
      send_metrics: false,
      services: [{ binding: 'BROKER', service: broker }],
    })}\n`,
  },
];

const CREATED_BY = 'agent-ticket dev';

interface Insert {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

const insert = (table: string, row: Readonly<Record<string, string | number>>): Insert => ({
  sql: `INSERT OR IGNORE INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${Object.keys(row).map(() => '?')})`,
  values: Object.values(row),
});

/**
 * The rows of a development stack's service token: an operator that owns every instance of every agent. Where they are
 * there nothing changes.
 */
export function seedRows(
  { clientId }: SeededCredential,
  digest: string,
  agents: AgentRegistry,
  now: number,
): readonly Insert[] {
  const made = { created_by: CREATED_BY, created_at: now };
  const permissions = new Set([...PERMISSIONS, ...agents.flatMap(({ requiredScopes }) => requiredScopes)]);
  return [
    insert('service_tokens', {
      id: clientId,
      name: 'development',
      permissions: JSON.stringify([...permissions]),
      tier: 'admin',
      ...made,
    }),
    insert('service_token_secrets', { digest, token_id: clientId, created_at: now }),
    ...agents.map(({ slug }) =>
      insert('grants', {
        id: `dev-${clientId}-${slug}`,
        subject: `token:${clientId}`,
        agent_slug: slug,
        instance_id: '*',
        role: 'owner',
        reason: 'for development',
        ...made,
      }),
    ),
  ];
}
