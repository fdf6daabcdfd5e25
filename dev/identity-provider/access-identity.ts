import type { IncomingHttpHeaders } from 'node:http';
import { createLocalJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import { type AccessIssuer, stableUuid } from './access-issuer.ts';
import { personByEmail } from './people.ts';
import { Refusal } from './refusal.ts';

/**
 * What get-identity tells about the bearer of an application token of this issuer, for whichever application.
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
