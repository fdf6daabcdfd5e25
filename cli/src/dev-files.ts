import { PERMISSIONS } from '@agent-ticket/broker/src/credentials/permissions.ts';
import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import type { DevOptions, DevPorts } from './command.ts';
import { stableUuid } from './identity-provider/access-issuer.ts';
import { PEOPLE, type Person } from './identity-provider/people.ts';
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

/** The settings that the app needs, by name. */
export const appVars = (ports: DevPorts, origins: readonly string[]): Readonly<Record<string, string>> => ({
  ISSUER: addressOf(ports.broker),
  TICKET_AUDIENCE: DEV_AUDIENCE,
  ...(origins.length > 0 && { ALLOWED_ORIGINS: origins.join(',') }),
});

/** Settings by which agents have callbacks. */
export const callbackVars = (port: number, secrets: Pick<DevSecrets, 'keyEncryptionKey'>) => ({
  AGENT_WORKER_URL: addressOf(port),
  CALLBACK_KEY: callbackKeyOf(secrets),
});

/** The first line of a file that a later start may write anew. */
export const WRITTEN = '# Written by agent-ticket dev at each start.';

export const varsFile = (vars: Readonly<Record<string, string>>): string =>
  [WRITTEN, ...Object.entries(vars).map(([name, value]) => `${name}="${value}"`), ''].join('\n');

/** Where the front worker runs the broker's schedule: a path that no broker has. */
const SCHEDULE = '/cdn-cgi/agent-ticket/schedule';
export const scheduleUrl = (ports: DevPorts): string => `${addressOf(ports.broker)}${SCHEDULE}`;

/**
 * A worker that gives the broker, which runs in the app's process, a port of its own, and runs its schedule on request,
 * since the local runtime never does.
 */
export const frontFiles = (broker: string): readonly { readonly name: string; readonly text: string }[] => [
  {
    name: 'index.js',
    text: `export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname !== '${SCHEDULE}') return env.BROKER.fetch(request);
    await env.BROKER.scheduled({ cron: '* * * * *' });
    return new Response(null, { status: 204 });
  },
};
`,
  },
  {
    name: 'wrangler.json',
    text: `${JSON.stringify({
      name: `${broker}-port`,
      main: 'index.js',
      compatibility_date: '2026-08-01',
      compatibility_flags: ['service_binding_extra_handlers'],
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

/** A person who has a role from the start, with the principal ids of each way to sign in. */
export interface SeededPerson {
  readonly role: NonNullable<Person['seededRole']>;
  readonly subjects: readonly string[];
}

/**
 * The rows of a development stack: its service token, an operator that owns every instance of every agent, and the roles
 * of people on every agent but those that a first user owns. Where they are there nothing changes.
 */
export function seedRows(
  { clientId }: SeededCredential,
  digest: string,
  agents: AgentRegistry,
  people: readonly SeededPerson[],
  now: number,
): readonly Insert[] {
  const made = { created_by: CREATED_BY, created_at: now };
  const grant = (id: string, subject: string, agent: string, role: string): Insert =>
    insert('grants', {
      ...{ id, subject, agent_slug: agent, instance_id: '*', role, reason: 'for development' },
      ...made,
    });
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
    ...agents.map(({ slug }) => grant(`dev-${clientId}-${slug}`, `token:${clientId}`, slug, 'owner')),
    ...agents
      .filter(({ access }) => access !== 'first-user')
      .flatMap(({ slug }) =>
        people.flatMap(({ role, subjects }) =>
          subjects.map((subject) => grant(stableUuid(`dev ${subject} ${slug}`), subject, slug, role)),
        ),
      ),
  ];
}

/** What a person needs to know of a stack that runs. */
export function summary(
  { ports, origins }: DevOptions,
  { adminToken: { clientId, clientSecret } }: DevSecrets,
  agents: AgentRegistry,
): string {
  const first = agents.find(({ enabled }) => enabled);
  const body = JSON.stringify({ agent: first?.slug, instance: first?.instances?.[0] ?? 'demo' });
  const app = addressOf(ports.app);
  const people = PEOPLE.flatMap(({ name, seededRole, operates }) => [
    ...(seededRole === undefined ? [] : [`${name} ${seededRole}`]),
    ...(operates === 'all' ? [`${name} operator`] : []),
  ]);
  return [
    '',
    `  broker             ${addressOf(ports.broker)}`,
    `  app                ${app}`,
    `  identity provider  ${addressOf(ports.identityProvider)}  (stand-in for Access and Auth0)`,
    '',
    '  The settings of the app, in its .dev.vars:',
    '',
    ...Object.entries(appVars(ports, origins)).map(([name, value]) => `    ${name}=${value}`),
    '',
    `  Sign in (${people.join(', ')}; anybody else by address):`,
    '',
    `    ${addressOf(ports.broker)}/auth/login?return_to=${encodeURIComponent(`${app}/`)}`,
    '',
    '  A ticket, by a token that owns every agent and is an operator:',
    '',
    `curl -sS ${addressOf(ports.broker)}/tickets -u ${clientId}:${clientSecret} -H 'content-type: application/json' -d '${body}'`,
    '',
    '  Ctrl-C ends everything.',
    '',
    '',
  ].join('\n');
}
