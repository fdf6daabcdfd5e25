import type { PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { JWTPayload } from 'jose';
import * as z from 'zod';
import { FOREIGN_SESSION_MAX_SECONDS, type SignInPorts } from '../sign-in/ports.ts';
import { applyClaimRules, type Claims } from './claim-rules.ts';
import { foreignIdentity, foreignPrincipalId } from './foreign-principal.ts';
import type { Authenticated } from './principal.ts';
import { openCookie } from './session-cookie.ts';
import type { SessionCookie } from './session-cookie-header.ts';

/** A sign-in that stands. */
export interface SignIn {
  /** Our own row; left out for a session that an application keeps in its cookie. */
  readonly id?: string;
  readonly subject: string;
  /** The tenant's session. */
  readonly sid: string | undefined;
  readonly claims: Claims;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

const Kept = z.object({ id: z.string().regex(/^[0-9a-f]{32}$/) });

/** What a stock auth0-hono application keeps in its cookie; the tokens in it are not looked at. */
const Foreign = z.object({
  user: z.looseObject({
    sub: z.string().min(1).max(256),
    sid: z.string().max(256).optional(),
    iss: z.string().optional(),
  }),
  domain: z.string().optional(),
  exp: z.number(),
  sessionExpiresAt: z.number().optional(),
  internal: z.object({ sid: z.string().max(256).optional(), createdAt: z.number() }),
});

/** Who a session cookie belongs to. `now` in ms. Does NOT check where the request came from. */
export async function authenticateSession(
  cookie: SessionCookie,
  ports: SignInPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  const signIn = await readSignIn(cookie, ports, now);
  if (!signIn.ok) return signIn;
  const { subject, claims, expiresAt } = signIn.value;
  const identity = foreignIdentity(ports.config.tenant, { ...claims, sub: subject }, () => 'user');
  if (identity === undefined) return err('credential_claims_invalid', { detail: 'session claims' });
  return ok({
    method: 'auth0-session',
    principal: applyClaimRules(identity, claims, ports.rules),
    expiresAt,
  });
}

/** The same principal as by an access token of that tenant. */
export const principalOf = (subject: string, { config }: SignInPorts): PrincipalId | undefined =>
  foreignPrincipalId(config.tenant, subject);

/** The sign-in that a cookie names or is, if it still stands. */
export async function readSignIn(
  cookie: SessionCookie,
  ports: SignInPorts,
  now: number,
): Promise<Outcome<SignIn>> {
  const { cookieName: name, cookieSecret: secret } = ports.config;
  const opened = await openCookie(cookie.value, { name, secret }, now);
  if (!opened.ok) return opened;
  return cookie.kept === 'server'
    ? ownSignIn(opened.value, ports, now)
    : foreignSignIn(opened.value, ports, now);
}

async function ownSignIn(payload: JWTPayload, ports: SignInPorts, now: number): Promise<Outcome<SignIn>> {
  const kept = Kept.safeParse(payload);
  const row = kept.success ? await ports.sessions.find(kept.data.id) : undefined;
  if (row === undefined || row.issuer !== ports.config.tenant.issuer) {
    const hint = 'this session is kept by another application, or long gone; sign in at the broker';
    return err('credential_session_foreign', { hint });
  }
  if (row.endedAt !== null) return err('credential_revoked', { detail: 'session' });
  if (row.expiresAt <= now) return err('credential_expired', { detail: 'session' });
  const { id, subject, sid, claims } = row;
  return ok({ id, subject, sid: sid ?? undefined, claims, expiresAt: Math.floor(row.expiresAt / 1000) });
}

/** Such a session cannot be ended where it is kept, so it is compared with the logouts that we heard of. */
async function foreignSignIn(
  payload: JWTPayload,
  { config, sessions }: SignInPorts,
  now: number,
): Promise<Outcome<SignIn>> {
  const parsed = Foreign.safeParse(payload);
  if (!parsed.success) return err('credential_claims_invalid', { detail: 'session cookie' });
  const { user, domain, internal, exp, sessionExpiresAt = exp } = parsed.data;
  const { issuer } = config.tenant;
  const { hostname } = new URL(issuer);
  const ofTenant = (user.iss ?? issuer) === issuer && (domain ?? hostname) === hostname;
  if (!ofTenant) return err('credential_issuer_unknown', { detail: 'session cookie' });
  const oldest = internal.createdAt + FOREIGN_SESSION_MAX_SECONDS;
  const expiresAt = Math.floor(Math.min(exp, sessionExpiresAt, oldest));
  if (expiresAt * 1000 <= now) return err('credential_expired', { detail: 'session cookie' });
  const { sub: subject, sid = internal.sid } = user;
  const out = await sessions.isLoggedOut({ issuer, subject, sid }, internal.createdAt * 1000);
  if (out) return err('credential_revoked', { detail: 'session cookie' });
  return ok({ subject, sid, claims: user, expiresAt });
}
