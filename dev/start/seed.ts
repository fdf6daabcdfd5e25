import { AGENT_PERMISSIONS, PERMISSIONS } from '@agent-ticket/broker/src/credentials/permissions.ts';
import { digestSecret } from '@agent-ticket/broker/src/credentials/secret.ts';
import type { ControlDatabase } from '@agent-ticket/drizzle/control/database.ts';
import { policyQueries } from '@agent-ticket/drizzle/control/policy.ts';
import { serviceTokenQueries } from '@agent-ticket/drizzle/control/service-tokens.ts';
import type { Role, Tier } from '@agent-ticket/shared/names.ts';
import { stableUuid } from '../identity-provider/access-issuer.ts';
import { PEOPLE, type Person } from '../identity-provider/people.ts';
import type { IdentityProvider } from '../identity-provider/start.ts';
import type { DevSecrets, SeededCredential } from './secrets.ts';

interface Seed {
  readonly credential: SeededCredential;
  readonly name: string;
  readonly tier: Tier;
  readonly permissions: readonly string[];
  readonly grants: readonly { readonly agent: string; readonly role: Role }[];
}

const CREATED_BY = 'seed';

/** The two service tokens of a new stack, with their grants. A second run changes nothing. */
export async function seed(control: ControlDatabase, secrets: DevSecrets, now: number): Promise<void> {
  const seeds: readonly Seed[] = [
    {
      credential: secrets.serviceToken,
      name: 'seeded service token',
      tier: 'pro',
      permissions: [],
      grants: [
        { agent: 'counter', role: 'admin' },
        { agent: 'lobby', role: 'viewer' },
      ],
    },
    {
      credential: secrets.adminToken,
      name: 'seeded admin token',
      tier: 'admin',
      permissions: [...PERMISSIONS, ...AGENT_PERMISSIONS],
      grants: [],
    },
  ];
  const pepper = new Uint8Array(Buffer.from(secrets.tokenPepper, 'base64url'));
  for (const item of seeds) await insertSeed(control, item, pepper, now);
}

async function insertSeed(
  control: ControlDatabase,
  { credential, name, tier, permissions, grants }: Seed,
  pepper: Uint8Array<ArrayBuffer>,
  now: number,
): Promise<void> {
  const tokens = serviceTokenQueries(control);
  const { id, clientId, clientSecret } = credential;
  if ((await tokens.findByClientId(clientId)) === undefined) {
    const digest = await digestSecret(clientSecret, pepper);
    await tokens.insert(
      {
        id,
        clientId,
        name,
        tier,
        agents: null,
        permissions: [...permissions],
        createdBy: CREATED_BY,
        createdAt: now,
      },
      { tokenId: id, digest, createdAt: now },
    );
  }
  for (const { agent, role } of grants) {
    await policyQueries(control).insertGrant({
      id: `${CREATED_BY}-${clientId}-${agent}`,
      subject: `token:${id}`,
      agentSlug: agent,
      instanceId: '*',
      role,
      reason: 'seeded for development',
      createdBy: CREATED_BY,
      createdAt: now,
    });
  }
}

/**
 * Grants the people of the stand-in their roles on the counters, for both platforms. By principal id, as grants to
 * addresses would need an issuer that is trusted for addresses. A second run changes nothing.
 */
export async function seedPeople(
  control: ControlDatabase,
  { access, auth0 }: IdentityProvider,
  now: number,
): Promise<void> {
  for (const person of PEOPLE) {
    if (person.counterRole === undefined) continue;
    for (const subject of subjectsOf(person, new URL(access.issuer).hostname, auth0.domain)) {
      await policyQueries(control).insertGrant({
        id: `${CREATED_BY}-${subject}-counter`,
        subject,
        agentSlug: 'counter',
        instanceId: '*',
        role: person.counterRole,
        reason: 'seeded for development',
        createdBy: CREATED_BY,
        createdAt: now,
      });
    }
  }
}

const subjectsOf = ({ email, sub }: Person, team: string, tenant: string): string[] => [
  `access:${team}:user:${stableUuid(email)}`,
  `auth0:${tenant}:${sub}`,
];
