import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import type { Tier } from '@agent-ticket/shared/names.ts';
import { digestSecret, makeSecret, makeTokenId } from '../../src/credentials/secret.ts';

export interface TokenWish {
  readonly agents?: readonly string[];
  readonly permissions?: readonly string[];
  readonly tier?: Tier;
  /** Seconds since 1970. */
  readonly expiresAt?: number;
}

export interface ServiceToken {
  readonly id: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** A service token as an operator would make it, put straight into the database. */
export async function insertServiceToken(
  control: ControlStore,
  pepper: Uint8Array<ArrayBuffer>,
  { agents, permissions = [], tier = 'pro', expiresAt }: TokenWish = {},
): Promise<ServiceToken> {
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const id = makeTokenId(random);
  const clientSecret = makeSecret(id, random);
  const createdAt = 0;
  const eventId = crypto.randomUUID();
  await control.change({
    ...control.serviceTokens.create(
      {
        id,
        name: 'test',
        tier,
        agents: agents === undefined ? null : [...agents],
        permissions: [...permissions],
        createdBy: 'test',
        createdAt,
        expiresAt: expiresAt === undefined ? null : expiresAt * 1000,
      },
      { tokenId: id, digest: await digestSecret(clientSecret, pepper), createdAt },
    ),
    event: { eventId, at: createdAt, type: 'service_token.created', outcome: 'success' },
    dueAt: Number.MAX_SAFE_INTEGER,
  });
  await control.outbox.done(eventId);
  return { id, clientId: id, clientSecret };
}

/** A grant on every instance of an agent, whose event nobody delivers. */
export async function insertGrant(
  control: ControlStore,
  subject: string,
  agent: string,
  role: string,
): Promise<void> {
  const id = crypto.randomUUID();
  await control.change({
    statement: control.grants.insert({
      id,
      subject,
      agentSlug: agent,
      instanceId: '*',
      role,
      reason: 'test',
      createdBy: 'test',
      createdAt: 0,
      expiresAt: null,
    }),
    event: { eventId: id, at: 0, type: 'grant.created', outcome: 'success' },
    dueAt: Number.MAX_SAFE_INTEGER,
  });
  await control.outbox.done(id);
}
