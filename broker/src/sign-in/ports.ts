import type { authSessionQueries } from '@agent-ticket/drizzle/control/auth-sessions.ts';
import type { usedTokenQueries } from '@agent-ticket/drizzle/control/used-tokens.ts';
import type { SignInConfig } from '../config/sign-in.ts';
import type { ClaimRule } from '../credentials/claim-rules.ts';
import type { IssuerWithKeys } from '../credentials/foreign-jwt.ts';

export interface SignInPorts {
  readonly config: SignInConfig;
  readonly sessions: ReturnType<typeof authSessionQueries>;
  readonly usedTokens: Pick<ReturnType<typeof usedTokenQueries>, 'use' | 'isUsed'>;
  readonly rules: readonly ClaimRule[];
  /** The tenant as the issuer of ID and logout tokens for this client. */
  readonly tenant: IssuerWithKeys;
  /** One request to the tenant. May reject. */
  readonly fetch: (url: string, init: TenantRequest) => Promise<Response>;
}

export interface TenantRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** How long a sign-in here lasts. It is not renewed by use: a ticket's session would end with it all the same. */
export const SESSION_SECONDS = 24 * 3600;
/** No session that an application keeps in its cookie is taken for longer after its sign-in. */
export const FOREIGN_SESSION_MAX_SECONDS = 30 * 24 * 3600;
/** Between leaving for the tenant and coming back. */
export const LOGIN_SECONDS = 600;

/** Not beginning with the session cookie's name: the stock library would take it for a part of that. */
export const loginCookieName = ({ cookieName }: SignInConfig): string => `login_${cookieName}`;

export const isSecure = ({ baseUrl }: SignInConfig): boolean => baseUrl.startsWith('https:');
