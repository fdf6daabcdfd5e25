import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import type { PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { base64url, type JWTPayload } from 'jose';
import * as z from 'zod';
import { applyClaimRules, type ClaimRule, type Claims } from './claim-rules.ts';
import type { SessionCookie } from './cookies.ts';
import type { ForeignIssuer, IssuerWithKeys } from './foreign-jwt.ts';
import { foreignIdentity, foreignPrincipalId } from './foreign-principal.ts';
import { type Authenticated, isBeforeSignOut } from './principal.ts';
import { openCookie } from './session-cookie.ts';

/** How people sign in at the broker itself: as a client of one Auth0 tenant. */
export interface SignInConfig {
  /** The tenant, as an issuer of access tokens; ID tokens have the same name and keys. */
  readonly tenant: ForeignIssuer;
  /** Where the tenant is reached; its own name, unless a stand-in plays it. */
  readonly tenantUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Encrypts the session cookie, as `@auth0/auth0-hono` does with its `session.secret`. */
  readonly cookieSecret: string;
  readonly cookieName: string;
  /** The broker's origin as browsers know it. */
  readonly baseUrl: string;
}

export interface SignInPorts {
  readonly config: SignInConfig;
  readonly control: Pick<ControlStore, 'authSessions' | 'readCaller' | 'revocations' | 'usedTokens'>;
  readonly rules: readonly ClaimRule[];
  /** The tenant as the issuer of ID and logout tokens for this client. */
  readonly tenant: IssuerWithKeys;
  /** One request to the tenant. May reject. */
  readonly fetch: (url: string, init: TenantRequest) => Promise<Response>;
}

interface TenantRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** No session that an application keeps in its cookie is taken for longer after its sign-in. */
export const FOREIGN_SESSION_MAX_SECONDS = 30 * 24 * 3600;

/** The sign-in of a browser that has not ended. */
export interface SignIn {
  /** Our own row; left out for a session that an application keeps in its cookie. */
  readonly id?: string;
  readonly principal: PrincipalId;
  readonly subject: string;
  /** The tenant's session. */
  readonly sid: string | undefined;
  /** Opaque id of the sign-in, by which it is revoked; `undefined`: it has none of its own. */
  readonly login: string | undefined;
  readonly claims: Claims;
  /** Milliseconds since 1970. */
  readonly beganAt: number;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

const OwnPayload = z.object({ id: z.string().regex(/^[0-9a-f]{32}$/) });

/** What a stock auth0-hono application keeps in its cookie; the tokens in it are not looked at. */
const ForeignPayload = z.object({
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

/**
 * The person that a session cookie belongs to. `now` in ms. Does NOT check where the request came from.
 *
 * @param read {@link readSignIn}, or {@link openSignIn} where the decision checks sign-outs by rows of its own.
 */
export async function authenticateSession(
  cookie: SessionCookie,
  ports: SignInPorts,
  now: number,
  read: typeof openSignIn,
): Promise<Outcome<Authenticated>> {
  const signIn = await read(cookie, ports, now);
  if (!signIn.ok) return signIn;
  const { subject, claims, expiresAt, beganAt, login } = signIn.value;
  const identity = foreignIdentity(ports.config.tenant, { ...claims, sub: subject }, () => 'user');
  if (identity === undefined) return CLAIMS_INVALID;
  return ok({
    method: 'auth0-session',
    principal: applyClaimRules(identity, claims, ports.rules),
    expiresAt,
    issuedAt: beganAt,
    ...(login === undefined ? {} : { login }),
  });
}

const CLAIMS_INVALID = err('credential_claims_invalid', { detail: 'session claims' });

/** The same principal as by an access token of that tenant. */
export const principalOf = (subject: string, { config }: SignInPorts): PrincipalId | undefined =>
  foreignPrincipalId(config.tenant, subject);

const LOGIN_CHARACTERS = 22;

/** The id of every sign-in under one session of the tenant, wherever it is kept. Opaque: tickets carry it. */
export async function loginIdOf(sid: string, { config }: SignInPorts): Promise<string> {
  const name = new TextEncoder().encode(`${config.tenant.issuer} ${sid}`);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', name));
  return base64url.encode(digest).slice(0, LOGIN_CHARACTERS);
}

/**
 * The sign-in that a cookie names or is. Refused where it has ended: its own row, its tenant session, or all sign-ins of
 * the person up to a moment. A session that an application keeps cannot be ended where it is kept, so that only the last
 * two end it.
 */
export async function readSignIn(
  cookie: SessionCookie,
  ports: SignInPorts,
  now: number,
): Promise<Outcome<SignIn>> {
  const opened = await openSignIn(cookie, ports, now);
  if (!opened.ok) return opened;
  const { principal, login, beganAt } = opened.value;
  const targets = login === undefined ? [] : [`login:${login}`];
  const { signedOut, revocations } = await ports.control.readCaller(principal, targets, now);
  const signIn = { issuedAt: beganAt, ...(login === undefined ? {} : { login }) };
  if (revocations.length > 0 || isBeforeSignOut(signIn, signedOut))
    return err('credential_revoked', { detail: 'sign-in' });
  return opened;
}

/** {@link readSignIn}, but Does NOT check whether the tenant session or all sign-ins of the person have ended. */
export async function openSignIn(
  cookie: SessionCookie,
  ports: SignInPorts,
  now: number,
): Promise<Outcome<SignIn>> {
  const { cookieName: name, cookieSecret: secret } = ports.config;
  const opened = await openCookie(cookie.value, { name, secret }, now);
  if (!opened.ok) return opened;
  const read =
    cookie.kept === 'server'
      ? await readOwn(opened.value, ports, now)
      : readForeign(opened.value, ports, now);
  if (!read.ok) return read;
  const { id, subject, sid } = read.value;
  const principal = principalOf(subject, ports);
  if (principal === undefined) return CLAIMS_INVALID;
  const login = sid === undefined ? id?.slice(0, LOGIN_CHARACTERS) : await loginIdOf(sid, ports);
  return ok({ ...read.value, principal, login });
}

type StoredSignIn = Omit<SignIn, 'principal' | 'login'>;

async function readOwn(
  payload: JWTPayload,
  { config, control }: SignInPorts,
  now: number,
): Promise<Outcome<StoredSignIn>> {
  const own = OwnPayload.safeParse(payload);
  const row = own.success ? await control.authSessions.find(own.data.id) : undefined;
  if (row === undefined || row.issuer !== config.tenant.issuer) {
    const hint = 'this session is kept by another application, or ended long ago; sign in at the broker';
    return err('credential_session_foreign', { hint });
  }
  if (row.endedAt !== null) return err('credential_revoked', { detail: 'session' });
  if (row.expiresAt <= now) return err('credential_expired', { detail: 'session' });
  const { id, subject, sid, claims, createdAt: beganAt } = row;
  const expiresAt = Math.floor(row.expiresAt / 1000);
  return ok({ id, subject, sid: sid ?? undefined, claims, beganAt, expiresAt });
}

function readForeign(payload: JWTPayload, { config }: SignInPorts, now: number): Outcome<StoredSignIn> {
  const parsed = ForeignPayload.safeParse(payload);
  if (!parsed.success) return err('credential_claims_invalid', { detail: 'session cookie' });
  const { user, domain, internal, exp, sessionExpiresAt = exp } = parsed.data;
  const { issuer } = config.tenant;
  const { hostname } = new URL(issuer);
  const ofTenant = (user.iss ?? issuer) === issuer && (domain ?? hostname) === hostname;
  if (!ofTenant) return err('credential_issuer_unknown', { detail: 'session cookie' });
  const latest = internal.createdAt + FOREIGN_SESSION_MAX_SECONDS;
  const expiresAt = Math.floor(Math.min(exp, sessionExpiresAt, latest));
  if (expiresAt * 1000 <= now) return err('credential_expired', { detail: 'session cookie' });
  const { sub: subject, sid = internal.sid } = user;
  return ok({ subject, sid, claims: user, beganAt: internal.createdAt * 1000, expiresAt });
}
