import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { findAgent } from '@agent-ticket/shared/registry.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import { targetNamesOf } from '@agent-ticket/shared/target.ts';
import type { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import { type VerifiedTicket, verifySignature } from '@agent-ticket/shared/verify-ticket.ts';
import { auditEventOf } from '../audit/event.ts';
import { logAuthFailure, principalFields } from '../credentials/auth-result.ts';
import { isPermittedOn, type Permission, permissionMissing } from '../credentials/permissions.ts';
import { type Authenticated, isBeforeSignOut } from '../credentials/principal.ts';
import { principalOfToken } from '../credentials/service-token.ts';
import { readForm } from '../http/form.ts';
import type { RateState } from '../http/rate.ts';
import { callerTargets } from '../mint/policy-input.ts';
import { authenticateClient, presentedClient } from '../oauth/client.ts';
import { refusedAt } from '../oauth/refusal.ts';
import { changePolicy, newRevocation } from '../revocation/changes.ts';
import type { Call, COSTS, Handler, HandlerResult } from '../runtime/call.ts';
import { countCall } from '../runtime/limit.ts';

/*
 * Questions of OAuth clients about a ticket that they present. The holder of a permission may, on the agents of its
 * credential; so may the ticket's own subject and the client that it was issued to. Every other ticket is answered alike,
 * whether it is another's, of another broker, or no ticket: after one read of the keys, with no read that depends on it.
 */

interface Question {
  readonly path: '/revoke' | '/introspect';
  readonly permission: Permission;
  readonly cost: keyof typeof COSTS;
}

/**
 * `POST /revoke` (RFC 7009). The ticket opens, renews and authorises nothing from the answer on, and the session that it
 * opened ends, renewed or not; so does one that goes on by its rights. 200 without a body in every case.
 */
export const revokeTicket: Handler = async (call) => {
  const question = { path: '/revoke', permission: 'tickets:revoke', cost: 'change' } as const;
  const asked = await readQuestion(call, question);
  if ('refused' in asked) return asked.refused;
  const { who, ticket, ...rate } = asked;
  if (ticket.ok) await revoke(ticket.value, { ...call, who });
  return { outcome: ok({ status: 200 }), who, ...rate };
};

/**
 * `POST /introspect` (RFC 7662): whether the gate would let the ticket pass now, and its claims. Does NOT say whether the
 * ticket was used: only its object knows.
 */
export const introspectTicket: Handler = async (call) => {
  const question = { path: '/introspect', permission: 'tickets:read', cost: 'read' } as const;
  const asked = await readQuestion(call, question);
  if ('refused' in asked) return asked.refused;
  const { who, ticket, ...rate } = asked;
  const isActive = ticket.ok && (await isAccepted(ticket.value, call));
  const body = isActive ? view(ticket.value.claims) : { active: false };
  return { outcome: ok({ status: 200, body }), who, ...rate };
};

interface Asked {
  readonly who: Authenticated;
  readonly rate?: RateState;
  /** The ticket that the caller may ask about. */
  readonly ticket: Outcome<VerifiedTicket>;
}

async function readQuestion(
  call: Call,
  question: Question,
): Promise<Asked | { readonly refused: HandlerResult }> {
  const { request, ports, now } = call;
  const route = { method: 'POST', path: question.path };
  const form = await readForm(request);
  // A credential in the headers comes before a fault of the body, as everywhere.
  const presented = presentedClient(request.headers, form.ok ? form.value : new Map());
  if (!presented.ok)
    return { refused: refusedAt('caller', await logAuthFailure(presented, call, route, ports)) };
  if (presented.value === undefined) return { refused: refusedAt('caller', err('credential_missing')) };
  const holder = await authenticateClient(presented.value, call, route);
  if (!holder.ok) return { refused: refusedAt('caller', holder) };
  const who = holder.value;
  const { outcome: isWithin, ...rate } = await countCall(
    { counts: 'requests', cost: question.cost },
    { ...call, who },
    ports,
  );
  const refused = (outcome: Outcome<never>) => ({
    refused: { ...refusedAt('caller', outcome), who, ...rate },
  });
  if (!isWithin.ok) return refused(isWithin);
  const caller = await ports.control.readCaller(who.principal.id, callerTargets(who), now);
  if (isBeforeSignOut(who, caller.signedOut)) return refused(err('credential_revoked'));
  if (caller.revocations.length > 0) return refused(err('locked'));
  if (!form.ok) return refused(form);
  // `token_type_hint` is ignored: there is one type of token (RFC 7009 §2.1).
  const token = form.value.get('token');
  if (token === undefined) return refused(err('field_invalid', { field: 'token' }));

  const ticket = await findTicket(token, who, question, call);
  if (!ticket.ok) {
    const { reason, detail } = ticket.denial;
    const line = { ...route, ...principalFields(who), reason, detail };
    ports.log({ event: 'ticket_not_found', ...line });
  }
  return { who, ticket, ...rate };
}

/** A ticket of this broker, expired or not, that the caller may ask about. */
async function findTicket(
  token: string,
  who: Authenticated,
  { permission }: Question,
  { ports, now }: Call,
): Promise<Outcome<VerifiedTicket>> {
  const verified = await verifySignature(token, (kid) => ports.keyring.findPublic(kid, now));
  if (!verified.ok) return verified;
  const { claims } = verified.value;
  const { issuer, workers } = ports.config;
  if (claims.iss !== issuer) return err('ticket_issuer_wrong');
  if (!workers.some(({ audience }) => audience === claims.aud)) return err('ticket_audience_wrong');
  const isOwn = claims.sub === who.principal.id || isIssuedTo(claims, who);
  return isOwn || isPermittedOn(claims.agent, permission, who) ? verified : permissionMissing(permission);
}

/** Whether the caller is the client that exchanged a token for the ticket (RFC 7009 §2.1). */
const isIssuedTo = ({ client_id: client }: TicketClaims, { principal }: Authenticated): boolean =>
  client !== undefined && principalOfToken(client) === principal.id;

/** Revokes a ticket, once. One without rights that may be open is left as it is, so that nothing is stored for it. */
async function revoke({ claims, kid }: VerifiedTicket, call: Call): Promise<void> {
  const { who, now, ports } = call;
  const { agent, instance, jti, aud: audience } = claims;
  const end = Math.max(claims.exp, claims.session_expiry) + CLOCK_SKEW_SECONDS;
  if (now >= end * 1000) return;
  const revocation = newRevocation({
    target: { kind: 'ticket', jti },
    kind: 'any',
    code: 'session_terminated',
    reason: 'the ticket was revoked',
    by: who.principal.id,
    now,
  });
  await changePolicy(
    {
      statement: ports.control.revocations.writeFirst(revocation),
      event: auditEventOf(call, 'ticket.revoked', ports.randomId(), { agent, instance, jti, kid }),
      command: { op: 'revoke', ids: [revocation.id], audience, at: { agent, instance } },
    },
    ports,
  );
}

/** Whether the gate would accept the ticket now: in its time, for an agent of the registry, and not revoked. */
async function isAccepted({ claims, kid }: VerifiedTicket, { ports, now }: Call): Promise<boolean> {
  const nowSeconds = Math.floor(now / 1000);
  const { workers } = ports.config;
  const worker = findAgent(ports.registry, claims.agent)?.worker;
  const isServed = workers.some(({ name, audience }) => name === worker && audience === claims.aud);
  const isBegun = Math.max(claims.nbf, claims.iat) <= nowSeconds + CLOCK_SKEW_SECONDS;
  // Without the leeway of the gate: a client would be told of an active token whose `exp` has passed.
  if (!isServed || !isBegun || nowSeconds >= claims.exp) return false;
  const names = targetNamesOf({ claims, kid });
  return !(await ports.control.revocations.hits({ names, rev: claims.rev }, now));
}

/** RFC 7662 §2.2, and claims of a ticket that are no matter of the broker alone. */
const view = ({ rev: _rev, grant: _grant, login: _login, scope, ...claims }: TicketClaims) => ({
  active: true,
  token_type: 'Bearer',
  scope: formatScope(scope),
  ...claims,
});
