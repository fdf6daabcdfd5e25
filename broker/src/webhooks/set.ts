import type { AuditEventRow } from '@agent-ticket/drizzle/record/audit-log.ts';
import { controlAudience } from '@agent-ticket/shared/control.ts';
import { CompactSign } from 'jose';
import * as z from 'zod';
import type { BrokerConfig } from '../config/config.ts';
import type { KeyMaterial } from '../keys/keyring.ts';
import type { Message } from './post.ts';

/*
 * Security event tokens (RFC 8417) of CAEP 1.0, pushed by RFC 8935. The ticket keys sign them, since receivers find those
 * in the published set. A token is no ticket and no command: its type is another, its claims are not a ticket's, and its
 * audience is never one of ours.
 */

export const SET_TYPE = 'secevent+jwt';
export const SESSION_REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
const VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification';

/** Whether an audience is one that a ticket or a command for one of our agent workers has, or the broker itself. */
export const isOwnAudience = (audience: string, { issuer, workers }: SetConfig): boolean =>
  [issuer, ...workers.flatMap((worker) => [worker.audience, controlAudience(worker.audience)])].includes(
    audience,
  );

export type SetConfig = Pick<BrokerConfig, 'issuer' | 'workers' | 'access' | 'auth0' | 'oidc'>;

/** A subject identifier (RFC 9493). */
type SubjectId =
  | { readonly format: 'iss_sub'; readonly iss: string; readonly sub: string }
  | { readonly format: 'opaque'; readonly id: string };

/** A principal as its own issuer names it; one of an issuer that is not configured any more by our name for it. */
function subjectOf(principal: string, { issuer, access, auth0, oidc }: SetConfig): SubjectId {
  const found = [...access, ...auth0, ...oidc].find(({ namespace }) => principal.startsWith(`${namespace}:`));
  if (found !== undefined) {
    const name = principal.slice(found.namespace.length + 1);
    const sub = found.namespace.startsWith('access:') ? name.replace(/^(user|service):/, '') : name;
    return { format: 'iss_sub', iss: found.issuer, sub };
  }
  return principal.startsWith('token:')
    ? { format: 'iss_sub', iss: issuer, sub: principal }
    : { format: 'opaque', id: principal };
}

interface RevokedSessions {
  readonly principal: string;
  readonly by: 'admin' | 'user' | 'system';
}

const TargetDetails = z.object({ target: z.string() });
/** The targets that are a principal. That of a service token is `token:` and its id. */
const PRINCIPAL_TARGET = /^(principal|service-token):(.+)$/s;
const TokenDetails = z.object({ service_token: z.string().min(1) });
const LogoutDetails = z.object({ by: z.enum(['logout', 'back-channel']), every_sign_in: z.literal(true) });

const OF_TARGETS: readonly string[] = ['lock.created', 'session.terminated', 'principal.forgotten'];

/**
 * The principal whose sessions an event of the audit log ended, all of them; `undefined` where it ended none. Events of
 * another transmitter are not repeated: two systems that send them to each other would never stop.
 */
export function revokedSessions({
  type,
  userId,
  details,
}: Pick<AuditEventRow, 'type' | 'userId' | 'details'>): RevokedSessions | undefined {
  if (type === 'login.ended') {
    const logout = LogoutDetails.safeParse(details);
    if (!logout.success || userId === null) return undefined;
    return { principal: userId, by: logout.data.by === 'logout' ? 'user' : 'system' };
  }
  if (type === 'service_token.revoked') {
    const token = TokenDetails.safeParse(details);
    return token.success ? { principal: `token:${token.data.service_token}`, by: 'admin' } : undefined;
  }
  if (!OF_TARGETS.includes(type)) return undefined;
  const [, kind, id] = PRINCIPAL_TARGET.exec(TargetDetails.safeParse(details).data?.target ?? '') ?? [];
  if (id === undefined) return undefined;
  return { principal: kind === 'principal' ? id : `token:${id}`, by: 'admin' };
}

interface SetSigner {
  readonly audience: string;
  readonly key: Pick<KeyMaterial, 'alg' | 'kid' | 'privateKey'>;
  readonly config: SetConfig;
}

/** The token for an event of the audit log, the same `jti` at each try; `undefined` for one that ended no sessions. */
export async function sessionRevokedSet(
  event: AuditEventRow,
  signer: SetSigner,
): Promise<Message | undefined> {
  const revoked = revokedSessions(event);
  if (revoked === undefined) return undefined;
  const seconds = Math.floor(event.at / 1000);
  return signed(
    {
      iat: seconds,
      jti: event.eventId,
      ...(event.requestId === null ? {} : { txn: event.requestId }),
      sub_id: subjectOf(revoked.principal, signer.config),
      events: { [SESSION_REVOKED]: { event_timestamp: seconds, initiating_entity: revoked.by } },
    },
    signer,
  );
}

/** The token of a test: the verification event of the Shared Signals Framework. `now` in ms. */
export const verificationSet = (id: string, jti: string, now: number, signer: SetSigner): Promise<Message> =>
  signed(
    {
      ...{ iat: Math.floor(now / 1000), jti, sub_id: { format: 'opaque', id } },
      events: { [VERIFICATION]: { state: jti } },
    },
    signer,
  );

async function signed(claims: object, { audience, key, config }: SetSigner): Promise<Message> {
  const payload = JSON.stringify({ iss: config.issuer, aud: audience, ...claims });
  const { alg, kid, privateKey } = key;
  const body = await new CompactSign(new TextEncoder().encode(payload))
    .setProtectedHeader({ alg, typ: SET_TYPE, kid })
    .sign(privateKey);
  const headers = {
    'content-type': `application/${SET_TYPE}`,
    accept: 'application/json',
    'user-agent': 'agent-ticket-broker',
  };
  return { headers, body };
}
