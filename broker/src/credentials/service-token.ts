import type { ServiceTokenRow, TokenWithSecrets } from '@agent-ticket/drizzle/control/service-tokens.ts';
import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import { PrincipalId, Tier } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { Authenticated } from './principal.ts';
import { isWellFormed, tokenIdIn } from './secret.ts';

export interface ServiceTokenPorts {
  readonly tokens: Pick<ControlStore['serviceTokens'], 'findWithSecrets' | 'noteUse'>;
  /** The digest of a secret under the broker's pepper, see `digestSecret`. */
  readonly digest: (secret: string) => string | Promise<string>;
  /** Runs beside the answer; its failure refuses nothing. */
  readonly later: (work: Promise<void>) => void;
}

/** A use, and a sight of a principal, is written at most this often, so that a busy caller costs few writes. */
export const USE_NOTED_EVERY_MS = 10 * 60_000;

/**
 * A well-formed secret of a service token that nobody has looked up yet. Says nothing about whether there is such a
 * token. Plain data: it travels to the mint shard.
 */
export interface UnverifiedSecret {
  readonly tokenId: string;
  readonly digest: string;
}

/** A verified credential, or the secret of a service token that is still to be looked up. */
export type Credential = Authenticated | UnverifiedSecret;

export const isUnverified = (credential: Credential): credential is UnverifiedSecret =>
  'digest' in credential;

/** The principal of a service token. */
export const principalOfToken = (tokenId: string): PrincipalId => PrincipalId.parse(`token:${tokenId}`);

/**
 * The token that a secret names, and its digest, made for known and unknown tokens alike. A client id that comes beside
 * it must be that of the token.
 */
export async function readSecret(
  presented: { readonly clientId?: string; readonly secret: string },
  { digest: digestOf }: Pick<ServiceTokenPorts, 'digest'>,
): Promise<Outcome<UnverifiedSecret>> {
  const { secret: text, clientId } = presented;
  const tokenId = isWellFormed(text) ? tokenIdIn(text) : undefined;
  if (tokenId === undefined) {
    const hint = 'the secret has a typo: it is atk_, 22 letters or digits, _, and 49 letters or digits';
    return err('credential_malformed', { hint });
  }
  const digest = await digestOf(text);
  return clientId === undefined || clientId === tokenId
    ? ok({ tokenId, digest })
    : err('credential_secret_wrong', { detail: 'client id of another token' });
}

/** The holder of a secret by the rows of the token that it names. `now` in ms. */
export function verifySecret(
  { digest }: UnverifiedSecret,
  found: TokenWithSecrets | undefined,
  now: number,
): Outcome<Authenticated> {
  if (found === undefined) return err('credential_unknown');
  const { token, secrets } = found;
  const secret = secrets.find((row) => row.digest === digest);
  if (secret === undefined) return err('credential_secret_wrong', { detail: token.id });
  if (token.revokedAt !== null) return err('credential_revoked', { detail: token.id });
  const ends = [token.expiresAt, secret.expiresAt].filter((at) => at !== null);
  if (ends.some((at) => at <= now)) return err('credential_expired', { detail: token.id });
  return ok({ ...tokenHolder(token, ends), secret: { digest, isEnding: secret.expiresAt !== null } });
}

/** Whether a use of the token at `now`, in ms, is to be noted. */
export const isUseDue = ({ lastUsedAt }: ServiceTokenRow, now: number): boolean =>
  lastUsedAt === null || lastUsedAt < now - USE_NOTED_EVERY_MS;

/** Notes a use beside the answer, unless another request noted one meanwhile. */
export const noteUse = (
  tokenId: string,
  {
    tokens,
    later,
  }: Pick<ServiceTokenPorts, 'later'> & {
    readonly tokens: Pick<ServiceTokenPorts['tokens'], 'noteUse'>;
  },
  now: number,
): void => later(tokens.noteUse(tokenId, now, now - USE_NOTED_EVERY_MS));

/** Looks a secret up. `now` in ms. */
export async function lookUpSecret(
  secret: UnverifiedSecret,
  ports: ServiceTokenPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  const found = await ports.tokens.findWithSecrets(secret.tokenId);
  const holder = verifySecret(secret, found, now);
  if (holder.ok && found !== undefined && isUseDue(found.token, now)) noteUse(found.token.id, ports, now);
  return holder;
}

/** A service token by its secret, which names the token. `now` in ms. */
export async function authenticateServiceToken(
  presented: { readonly clientId?: string; readonly secret: string },
  ports: ServiceTokenPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  const secret = await readSecret(presented, ports);
  return secret.ok ? lookUpSecret(secret.value, ports, now) : secret;
}

/** The principal of a service token. `ends` in ms: when it and its secret end. */
export function tokenHolder(token: ServiceTokenRow, ends: readonly number[]): Authenticated {
  return {
    method: 'service-token',
    principal: {
      id: principalOfToken(token.id),
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
