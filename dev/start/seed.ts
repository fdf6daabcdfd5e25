import { knownPermissions } from '@agent-ticket/broker/src/credentials/permissions.ts';
import { digestSecret } from '@agent-ticket/broker/src/credentials/secret.ts';
import type { Change } from '@agent-ticket/drizzle/control/change.ts';
import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import type { AuditType } from '@agent-ticket/shared/audit-event.ts';
import type { Role, Tier } from '@agent-ticket/shared/names.ts';
import { stableUuid } from 'agent-ticket/src/identity-provider/access-issuer.ts';
import { type IdentityProvider, seededPeople } from 'agent-ticket/src/identity-provider/start.ts';
import type { DevSecrets, SeededCredential } from 'agent-ticket/src/open-secrets.ts';
import { AGENTS } from '../../agents.ts';

interface Seed {
  readonly credential: SeededCredential;
  readonly name: string;
  readonly tier: Tier;
  readonly permissions: readonly string[];
  readonly grants: readonly { readonly agent: string; readonly role: Role }[];
}

const CREATED_BY = 'seed';

/** The two service tokens of a new stack, with their grants. A second run changes nothing. */
export async function seed(control: ControlStore, secrets: DevSecrets, now: number): Promise<void> {
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
      permissions: knownPermissions(AGENTS),
      grants: [],
    },
  ];
  const pepper = new Uint8Array(Buffer.from(secrets.tokenPepper, 'base64url'));
  for (const item of seeds) await insertSeed(control, item, pepper, now);
}

async function insertSeed(
  control: ControlStore,
  { credential, name, tier, permissions, grants }: Seed,
  pepper: Uint8Array<ArrayBuffer>,
  now: number,
): Promise<void> {
  const { id, clientSecret } = credential;
  if ((await control.serviceTokens.find(id)) === undefined) {
    const digest = await digestSecret(clientSecret, pepper);
    const token = {
      id,
      name,
      tier,
      agents: null,
      permissions: [...permissions],
      createdBy: CREATED_BY,
      createdAt: now,
    };
    const secret = { tokenId: id, digest, createdAt: now };
    await changeSilently(control, 'service_token.created', control.serviceTokens.create(token, secret), now);
  }
  for (const { agent, role } of grants) await insertGrant(control, `token:${id}`, agent, role, now);
}

/** Makes a grant unless it is there. */
async function insertGrant(
  control: ControlStore,
  subject: string,
  agent: string,
  role: Role,
  now: number,
): Promise<void> {
  const id = stableUuid(`${CREATED_BY} ${subject} ${agent}`);
  if ((await control.grants.find(id)) !== undefined) return;
  const statement = control.grants.insert({
    id,
    subject,
    agentSlug: agent,
    instanceId: '*',
    role,
    reason: 'seeded for development',
    createdBy: CREATED_BY,
    createdAt: now,
    expiresAt: null,
  });
  await changeSilently(control, 'grant.created', { statement }, now);
}

/** A change whose event is dropped: seeds are no acts of anybody, and an audit log begins with the first act. */
async function changeSilently(
  control: ControlStore,
  type: AuditType,
  wanted: Omit<Change, 'event' | 'dueAt'>,
  now: number,
): Promise<void> {
  const eventId = crypto.randomUUID();
  const event = { eventId, at: now, type, outcome: 'success' } as const;
  await control.change({ ...wanted, event, dueAt: Number.MAX_SAFE_INTEGER });
  await control.outbox.done(eventId);
}

/**
 * Grants the people of the stand-in their roles on the counters, for both platforms. By principal id, as grants to
 * addresses would need an issuer that is trusted for addresses. A second run changes nothing.
 */
export async function seedPeople(
  control: ControlStore,
  identityProvider: IdentityProvider,
  now: number,
): Promise<void> {
  for (const { role, subjects } of seededPeople(identityProvider))
    for (const subject of subjects) await insertGrant(control, subject, 'counter', role, now);
}
