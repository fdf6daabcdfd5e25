import { PERMISSIONS } from '@agent-ticket/broker/src/credentials/permissions.ts';
import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import * as z from 'zod';
import type { DevPorts } from './command.ts';

export const DEV_AUDIENCE = 'agents.local';

export const addressOf = (port: number): string => `http://127.0.0.1:${port}`;

/** Secrets of a development stack. Without those of an earlier start its data would be of no use. */
export const DevSecrets = z.strictObject({
  keyEncryptionKey: z.string(),
  tokenPepper: z.string(),
  clientId: z.string(),
  clientSecret: z.string(),
});
export type DevSecrets = z.infer<typeof DevSecrets>;

/** Settings of the broker that the stand-in for Access and Auth0 has, by name. */
type IdentitySettings = Readonly<Record<string, string>>;

/** The broker's settings for development, by name. */
export const brokerVars = (
  ports: DevPorts,
  secrets: DevSecrets,
  origins: readonly string[],
  identity: IdentitySettings,
): Readonly<Record<string, string>> => ({
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

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

const CREATED_BY = 'agent-ticket dev';

/**
 * SQL that makes the service token of a development stack: an operator that owns every instance of every agent. It changes
 * nothing where the token is there.
 */
export function seedSql(
  { clientId }: Pick<DevSecrets, 'clientId'>,
  digest: string,
  agents: AgentRegistry,
  now: number,
): string {
  const subject = `token:${clientId}`;
  const permissions = [
    ...new Set([...PERMISSIONS, ...agents.flatMap(({ requiredScopes }) => requiredScopes)]),
  ];
  const token = [clientId, 'development', JSON.stringify(permissions), 'admin', CREATED_BY].map(quoted);
  return [
    `INSERT OR IGNORE INTO service_tokens (id, name, permissions, tier, created_by, created_at) VALUES (${token.join(', ')}, ${now});`,
    `INSERT OR IGNORE INTO service_token_secrets (digest, token_id, created_at) VALUES (${quoted(digest)}, ${quoted(clientId)}, ${now});`,
    ...agents.map(({ slug }) => {
      const grant = [
        `dev-${clientId}-${slug}`,
        subject,
        slug,
        '*',
        'owner',
        'for development',
        CREATED_BY,
      ].map(quoted);
      return `INSERT OR IGNORE INTO grants (id, subject, agent_slug, instance_id, role, reason, created_by, created_at) VALUES (${grant.join(', ')}, ${now});`;
    }),
    '',
  ].join('\n');
}
