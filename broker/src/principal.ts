import type { PrincipalId, Tier } from '@agent-ticket/shared/names.ts';

/** Who a verified credential says it is. Named by issuer and subject; the e-mail is a fact about it, no name. */
export interface Principal {
  readonly id: PrincipalId;
  readonly kind: 'user' | 'service';
  /** Where the identity comes from: a URL for an issuer, `broker` for our own service tokens. */
  readonly issuer: string;
  readonly email?: string;
  readonly groups: readonly string[];
  readonly tier: Tier;
  /** What it may do at the broker's own API. Never part of a ticket. */
  readonly permissions: readonly string[];
}

export const CREDENTIAL_METHODS = ['anonymous', 'service-token', 'access'] as const;

/** A principal as one request presented it. */
export interface Authenticated {
  readonly principal: Principal;
  readonly method: (typeof CREDENTIAL_METHODS)[number];
  /** Seconds since 1970 at which the credential ends; nothing issued on it lives longer. */
  readonly expiresAt?: number;
  /** Slugs that the credential is limited to; left out: all. */
  readonly agents?: readonly string[];
}

/** Every subject under which grants may name a principal. */
export const subjectsOf = ({ id }: Principal): string[] => [id];
