import type { ServiceTokenRow, serviceTokenQueries } from '@agent-ticket/drizzle/control/service-tokens.ts';
import { PrincipalId, Tier } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { Authenticated } from './principal.ts';
import { digestSecret, isWellFormed } from './secret.ts';

export interface ServiceTokenPorts {
  readonly tokens: ReturnType<typeof serviceTokenQueries>;
  readonly pepper: Uint8Array<ArrayBuffer>;
  /** Runs beside the answer; its failure is nobody's refusal. */
  readonly later: (work: Promise<void>) => void;
}

/** A use is written down at most this often, so that a busy token costs few writes. */
const USE_NOTED_EVERY_MS = 10 * 60_000;

/**
 * A service token by its secret, alone or with its client id. `now` in ms. The digest is made before anything is
 * looked up, for known and unknown clients alike.
 */
export async function authenticateServiceToken(
  presented: { readonly clientId?: string; readonly secret: string },
  ports: ServiceTokenPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  if (!isWellFormed(presented.secret)) {
    return err('credential_malformed', {
      hint: 'the secret has a typo: it is atk_ and 49 letters or digits',
    });
  }
  const digest = await digestSecret(presented.secret, ports.pepper);
  const found = await (presented.clientId === undefined
    ? ports.tokens.findByDigest(digest)
    : ports.tokens.findByClientId(presented.clientId));
  if (found === undefined) return err('credential_unknown');

  const { token, secrets } = found;
  const secret = secrets.find((row) => row.digest === digest);
  if (secret === undefined) return err('credential_secret_wrong', { detail: token.id });
  if (token.revokedAt !== null) return err('credential_revoked', { detail: token.id });
  const ends = [token.expiresAt, secret.expiresAt].filter((at) => at !== null);
  if (ends.some((at) => at <= now)) return err('credential_expired', { detail: token.id });

  ports.later(ports.tokens.noteUse(token.id, now, now - USE_NOTED_EVERY_MS));
  return ok(tokenHolder(token, ends));
}

/** Who a service token is. `ends` in ms: when it and its secret are over. */
export function tokenHolder(token: ServiceTokenRow, ends: readonly number[]): Authenticated {
  return {
    method: 'service-token',
    principal: {
      id: PrincipalId.parse(`token:${token.id}`),
      kind: 'service',
      issuer: 'broker',
      groups: [],
      tier: Tier.parse(token.tier),
      permissions: token.permissions,
      sources: [
        { gives: 'tier', value: token.tier, from: 'service-token' },
        ...token.permissions.map((value) => ({ gives: 'permission', value, from: 'service-token' }) as const),
      ],
    },
    ...(ends.length === 0 ? {} : { expiresAt: Math.floor(Math.min(...ends) / 1000) }),
    ...(token.agents === null ? {} : { agents: token.agents }),
  };
}
