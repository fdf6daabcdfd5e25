import type { ServiceTokenRow } from '@agent-ticket/drizzle/control/service-tokens.ts';
import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import { PrincipalId, Tier } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { Authenticated } from './principal.ts';
import { digestSecret, isWellFormed, tokenIdIn } from './secret.ts';

export interface ServiceTokenPorts {
  readonly tokens: Pick<ControlStore['serviceTokens'], 'findWithSecrets' | 'noteUse'>;
  readonly pepper: Uint8Array<ArrayBuffer>;
  /** Runs beside the answer; its failure refuses nothing. */
  readonly later: (work: Promise<void>) => void;
}

/** A use is written at most this often, so that a busy token costs few writes. */
const USE_NOTED_EVERY_MS = 10 * 60_000;

/**
 * A service token by its secret, which names the token. A client id that comes beside it must be the same. `now` in ms.
 * The digest is made before the lookup, for known and unknown tokens alike.
 */
export async function authenticateServiceToken(
  presented: { readonly clientId?: string; readonly secret: string },
  ports: ServiceTokenPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  const { secret: text, clientId } = presented;
  const id = isWellFormed(text) ? tokenIdIn(text) : undefined;
  if (id === undefined) {
    const hint = 'the secret has a typo: it is atk_, 22 letters or digits, _, and 49 letters or digits';
    return err('credential_malformed', { hint });
  }
  const digest = await digestSecret(text, ports.pepper);
  if (clientId !== undefined && clientId !== id)
    return err('credential_secret_wrong', { detail: 'client id of another token' });
  const found = await ports.tokens.findWithSecrets(id);
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

/** The principal of a service token. `ends` in ms: when it and its secret end. */
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
