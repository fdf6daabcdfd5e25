import { createHash, randomBytes } from 'node:crypto';
import { exportSPKI, type JWTPayload, SignJWT } from 'jose';
import { type KeyRing, openKeyRing } from './key-ring.ts';
import type { AccessSettings } from './options.ts';
import type { AccessTokenRequest } from './token-requests.ts';
import { type TokenTime, tokenTime } from './token-time.ts';

const DEFAULT_EMAIL = 'dev@example.com';
const DEFAULT_LIFE_SECONDS = 86_400; // the session length of an Access application when nobody sets one

export interface AccessIssuer {
  /** Without a trailing slash, as Access has it. */
  issuer: string;
  audience: string;
  ring: KeyRing;
  /** The certs document: both keys as JWKs, and once more in PEM. */
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
      const time = tokenTime(now(), request.expiresIn ?? DEFAULT_LIFE_SECONDS);
      const who =
        request.commonName === undefined ? userClaims(request, time) : serviceClaims(request.commonName);
      const aud = [request.aud ?? settings.audience].flat();
      const payload: JWTPayload = { iss: issuer, type: 'app', aud, ...time, ...who, ...request.claims };
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
