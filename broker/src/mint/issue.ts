import { TICKET_MAX_BYTES } from '@agent-ticket/shared/limits.ts';
import { AgentSlug, InstanceName, type TicketId, type Transport } from '@agent-ticket/shared/names.ts';
import { CONNECT, formatScope, SCOPE_LIST_MAX_CHARACTERS } from '@agent-ticket/shared/scope.ts';
import { TICKET_TYPE, type TicketPayload } from '@agent-ticket/shared/ticket.ts';
import { type VerifiedTicket, verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { SignJWT } from 'jose';
import type { Authenticated } from '../credentials/principal.ts';
import type { KeyMaterial } from '../keys/keyring.ts';
import type { Decision } from './policy.ts';

interface TicketOrder {
  readonly issuer: string;
  readonly audience: string;
  readonly jti: TicketId;
  readonly who: Pick<Authenticated, 'principal' | 'act' | 'client' | 'login'>;
  readonly decision: Extract<Decision, { allowed: true }>;
  readonly agent: string;
  readonly instance: string;
  readonly transport: Transport;
  /** Number of the newest change that the decision took into account. */
  readonly rev: number;
  /** The grant that decided, or the claim that is made for this ticket. */
  readonly grant: string | undefined;
  /** Seconds since 1970. */
  readonly nowSeconds: number;
  /** Seconds, already capped. */
  readonly expiresIn: number;
}

export interface IssuedTicket extends VerifiedTicket {
  readonly ticket: string;
}

/** The claims of a ticket (its payload), before anybody has signed or recorded anything. */
export function ticketPayload(order: TicketOrder): TicketPayload {
  const { decision, nowSeconds } = order;
  const { principal, act, client, login } = order.who;
  return {
    iss: order.issuer,
    aud: order.audience,
    sub: principal.id,
    jti: order.jti,
    iat: nowSeconds,
    nbf: nowSeconds,
    exp: nowSeconds + order.expiresIn,
    agent: AgentSlug.parse(order.agent),
    instance: InstanceName.parse(order.instance),
    scope: formatScope(decision.scope),
    role: decision.role,
    tier: principal.tier,
    transport: order.transport,
    session_expiry: decision.sessionExpiry,
    ...(client === undefined ? {} : { client_id: client.id }),
    ...(act === undefined ? {} : { act }),
    rev: order.rev,
    ...(order.grant === undefined ? {} : { grant: order.grant }),
    ...(login === undefined ? {} : { login }),
  };
}

/** Header, separators and signature of either algorithm, in base64url. */
const FRAME_BYTES = 256;

/**
 * Whether the signed ticket will be short enough for verifiers: long scopes and long subjects add up, and
 * `agent:connect` is added to the requested scopes.
 */
export const fitsTicket = (payload: TicketPayload): boolean =>
  payload.scope.length <= SCOPE_LIST_MAX_CHARACTERS &&
  FRAME_BYTES + Math.ceil((new TextEncoder().encode(JSON.stringify(payload)).length * 4) / 3) <=
    TICKET_MAX_BYTES;

/**
 * Signs the claims (RFC 7515 §5.1) and verifies the result with the agent worker's verifier. A ticket that the verifier
 * would refuse is a bug of the broker: it throws, and the ticket is never sent.
 */
export async function issueTicket(payload: TicketPayload, key: KeyMaterial): Promise<IssuedTicket> {
  const ticket = await new SignJWT({ ...payload })
    .setProtectedHeader({ alg: key.alg, typ: TICKET_TYPE, kid: key.kid })
    .sign(key.privateKey);

  const verified = await verifyTicket(ticket, {
    issuer: payload.iss,
    audience: payload.aud,
    nowSeconds: payload.iat,
    route: { agent: payload.agent, instance: payload.instance },
    scope: CONNECT,
    transport: payload.transport,
    findKey: async () => ({ ok: true, value: { alg: key.alg, key: key.publicKey } }),
  });
  if (!verified.ok)
    throw new TypeError(`would have issued a ticket that is refused: ${verified.denial.reason}`);
  return { ...verified.value, ticket };
}
