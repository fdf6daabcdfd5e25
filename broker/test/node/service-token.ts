import type { ControlDatabase } from '@agent-ticket/drizzle/control/database.ts';
import { serviceTokenQueries } from '@agent-ticket/drizzle/control/service-tokens.ts';
import type { Tier } from '@agent-ticket/shared/names.ts';
import { digestSecret, makeSecret } from '../../src/credentials/secret.ts';

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
  control: ControlDatabase,
  pepper: Uint8Array<ArrayBuffer>,
  { agents, permissions = [], tier = 'pro', expiresAt }: TokenWish = {},
): Promise<ServiceToken> {
  const id = crypto.randomUUID();
  const clientId = `svc_${crypto.randomUUID()}`;
  const clientSecret = makeSecret((length) => crypto.getRandomValues(new Uint8Array(length)));
  const createdAt = 0;
  await serviceTokenQueries(control).insert(
    {
      id,
      clientId,
      name: 'test',
      tier,
      agents: agents === undefined ? null : [...agents],
      permissions: [...permissions],
      createdBy: 'test',
      createdAt,
      expiresAt: expiresAt === undefined ? null : expiresAt * 1000,
    },
    { tokenId: id, digest: await digestSecret(clientSecret, pepper), createdAt },
  );
  return { id, clientId, clientSecret };
}
