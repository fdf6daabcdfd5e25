import { createHash, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { createLocalJWKSet, errors, exportSPKI, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { Refusal } from './http.ts';
import { type KeyRing, openKeyRing } from './key-ring.ts';
import type { AccessSettings } from './options.ts';
import { personByEmail } from './people.ts';
import { type AccessTokenRequest, type TokenTime, tokenTime } from './token-requests.ts';

const DEFAULT_EMAIL = 'dev@example.com';
const DEFAULT_LIFETIME_SECONDS = 86_400; // the default session duration of an Access application

export interface AccessIssuer {
  /** Without a trailing slash, as Access has it. */
  issuer: string;
  audience: string;
  ring: KeyRing;
  /** The certs document: both keys as JWKs and as PEM. */
  certs(): Promise<unknown>;
  token(request: AccessTokenRequest): Promise<string>;
}

export async function openAccessIssuer(
  settings: AccessSettings,
  stateDir: string | undefined,
  now: () => number,
): Promise<AccessIssuer> {
  const issuer = `https://${settings.teamDomain}`;
  const ring = await openKeyRing({
    name: 'access-keys',
    nameKey: (jwk) => createHash('sha256').update(jwk.n).digest('hex'),
    stateDir,
  });
  return {
    issuer,
    audience: settings.audience,
    ring,
    async certs() {
      const keys = ring.keys();
      const certs = await Promise.all(
        keys.map(async ({ kid, publicKey }) => ({ kid, cert: await exportSPKI(publicKey) })),
      );
      return { keys: keys.map((key) => key.publicJwk), public_cert: certs[0], public_certs: certs };
    },
    async token(request) {
      const [key] = ring.keys();
      const time = tokenTime(now(), request.expiresIn ?? DEFAULT_LIFETIME_SECONDS);
      const subject =
        request.commonName === undefined ? userClaims(request, time) : serviceClaims(request.commonName);
      const aud = [request.aud ?? settings.audience].flat();
      const payload: JWTPayload = { iss: issuer, type: 'app', aud, ...time, ...subject, ...request.claims };
      return new SignJWT(payload)
        .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'JWT' })
        .sign(key.privateKey);
    },
  };
}

function userClaims({ email = DEFAULT_EMAIL }: AccessTokenRequest, { iat }: TokenTime) {
  const identity_nonce = randomBytes(12).toString('base64url');
  return { email, sub: stableUuid(email), nbf: iat, identity_nonce, country: 'US' };
}

/** Access gives services an empty `sub` and no `nbf`, and names them by client id. */
const serviceClaims = (commonName: string) => ({ common_name: commonName, sub: '' });

/** The same name always gives the same UUID (of version 8, whose bits are free), whatever its letter case. */
export function stableUuid(name: string): string {
  const bytes = createHash('sha256').update(name.toLowerCase()).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * The answer of get-identity about the bearer of an application token of this issuer; the audience is not checked.
 * Refuses with 401 when there is no token or it does not verify.
 */
export async function accessIdentity(access: AccessIssuer, headers: IncomingHttpHeaders, nowMs: number) {
  const token = presentedToken(headers);
  if (token === undefined) throw new Refusal(401, 'no application token');
  const { iat, email, sub, common_name } = await verifyOwnToken(access, token, nowMs);
  if (typeof email !== 'string') {
    return {
      iat,
      common_name,
      service_token_id: stableUuid(String(common_name)),
      service_token_status: true,
    };
  }
  const { name, groups } = personByEmail(email);
  return {
    iat,
    id: sub,
    user_uuid: sub,
    name,
    email,
    groups,
    idp: { id: stableUuid(access.issuer), type: 'oidc' },
    common_name: '',
    service_token_id: '',
    service_token_status: false,
  };
}

function presentedToken(headers: IncomingHttpHeaders): string | undefined {
  const cookie = /(?:^|;\s*)CF_Authorization=([^;\s]+)/.exec(headers.cookie ?? '')?.[1];
  return [headers['cf-access-jwt-assertion'], headers['cf-access-token'], cookie].flat().find(Boolean);
}

async function verifyOwnToken(access: AccessIssuer, token: string, nowMs: number): Promise<JWTPayload> {
  const keys = createLocalJWKSet({ keys: access.ring.keys().map((key) => key.publicJwk) });
  try {
    const { payload } = await jwtVerify(token, keys, { issuer: access.issuer, currentDate: new Date(nowMs) });
    if (payload.type === 'app') return payload;
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
  }
  throw new Refusal(401, 'the application token does not verify');
}
