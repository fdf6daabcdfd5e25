import type { PrincipalId, Tier } from '@agent-ticket/shared/names.ts';
import type { Actor } from '@agent-ticket/shared/ticket.ts';

/** Where a tier, permission or group of a principal comes from, for `GET /me`. */
export interface Source {
  readonly gives: 'tier' | 'permission' | 'group';
  readonly value: string;
  /** `default`, `service-token`, or the claim rule by its place in the configuration, from 1. */
  readonly from: 'default' | 'service-token' | `claim rule ${number}`;
}

/** The identity of a verified credential. Named by issuer and subject; the e-mail is a fact about it, no name. */
export interface Principal {
  readonly id: PrincipalId;
  readonly kind: 'user' | 'service';
  /** Where the identity comes from: the issuer's exact name, `broker` for our own service tokens. */
  readonly issuer: string;
  readonly email?: string;
  /** As the issuer says it, not verified by anybody. */
  readonly name?: string;
  /** Whether the issuer says that the address is the person's. */
  readonly emailVerified?: boolean;
  readonly groups: readonly string[];
  readonly tier: Tier;
  /** What it may do at the broker's own API. Never part of a ticket. */
  readonly permissions: readonly string[];
  readonly sources: readonly Source[];
}

/** A principal before anything has been given to it: the least that an identity is worth. */
export type Identity = Pick<Principal, 'id' | 'kind' | 'issuer' | 'email' | 'emailVerified' | 'name'>;

type CredentialMethod =
  | 'anonymous'
  | 'development'
  | 'service-token'
  | 'access'
  | 'auth0'
  | 'auth0-session'
  | 'oidc';

/** A principal as one request presented it. */
export interface Authenticated {
  readonly principal: Principal;
  readonly method: CredentialMethod;
  /** Seconds since 1970 at which the credential ends; nothing issued on it lives longer. */
  readonly expiresAt?: number;
  /** Milliseconds since 1970 at which the credential was issued, where it says so. */
  readonly issuedAt?: number;
  /** Opaque id of the browser's sign-in that the credential is, where it is one. */
  readonly login?: string;
  /** The secret of a service token: the digest by which it is stored, and whether another one has replaced it. */
  readonly secret?: { readonly digest: string; readonly isEnding: boolean };
  /** Slugs that the credential is limited to; left out: all. */
  readonly agents?: readonly string[];
  /** The actor for the principal, where there is one (RFC 8693 §4.1). */
  readonly act?: Actor;
  /** Claims of a foreign token that delegation needs: its `sub` and, not validated, its `may_act`. */
  readonly upstream?: { readonly sub: string; readonly mayAct: unknown };
  /** The OAuth client that authenticated beside the subject: its name in OAuth, and its principal. */
  readonly client?: { readonly id: string; readonly principal: PrincipalId };
}

/** An identity with nothing but the default tier. */
export const plainPrincipal = (identity: Identity): Principal => ({
  ...identity,
  groups: [],
  tier: 'free',
  permissions: [],
  sources: [{ gives: 'tier', value: 'free', from: 'default' }],
});

/**
 * Whether a credential is from before its principal signed out. Bearer tokens and sign-ins of browsers end apart; `row` is
 * that of the principal, times in ms.
 */
export function isBeforeSignOut(
  { issuedAt, login }: Pick<Authenticated, 'issuedAt' | 'login'>,
  row: { readonly tokensBefore: number | null; readonly loginsBefore: number | null } | undefined,
): boolean {
  const before = login === undefined ? row?.tokensBefore : row?.loginsBefore;
  return issuedAt !== undefined && before != null && issuedAt <= before;
}

/** Whether an id is that of a principal, and not an address or group that grants may be given to. */
export const isPrincipalName = (id: string): boolean => !/^(email|group):/.test(id);

/** The kinds of label that a principal may have. */
export const LABEL_KINDS = ['email', 'name', 'none'] as const;
export type LabelKind = (typeof LABEL_KINDS)[number];

/** The text that operators see beside the id of a principal. It decides nothing, and is in no ticket and no audit event. */
export function labelOf(
  { email, emailVerified, name }: Pick<Principal, 'email' | 'emailVerified' | 'name'>,
  kind: LabelKind,
): string | undefined {
  const label = kind === 'name' ? name : kind === 'email' && emailVerified === true ? email : undefined;
  return label?.normalize('NFC').trim() || undefined;
}

/** Whether a credential is good for an agent: one that is limited to some is good for no unnamed one. */
export const allowsAgent = ({ agents }: Pick<Authenticated, 'agents'>, agent: string | undefined): boolean =>
  agents === undefined || (agent !== undefined && agents.includes(agent));

export const OTHER_AGENT = 'the credential is limited to some agents: name one of them';
