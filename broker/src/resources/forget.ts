import { PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { LockTarget, targetName } from '@agent-ticket/shared/target.ts';
import * as z from 'zod';
import { auditEventOf } from '../audit/event.ts';
import { isPrincipalName } from '../credentials/principal.ts';
import { changePolicy, newRevocation, statusOf } from '../revocation/changes.ts';
import { readBody } from '../runtime/body.ts';
import type { Call, Handler } from '../runtime/call.ts';
import { everyCredentialOf } from '../sign-in/sign-out.ts';
import { Reason, reasonOf } from './reason.ts';

/** Body of `POST /admin/principals/forget`. */
export const ForgetRequest = z.strictObject({
  principal: PrincipalId.refine((id) => isPrincipalName(id) && !id.startsWith('token:')),
  reason: Reason.optional(),
});

const MOST_OWNED = 200;

/**
 * `POST /admin/principals/forget`: deletes the label, the last sight, the sign-ins and the grants of a principal, and ends
 * its sessions and credentials from before. Events, sessions and invocations stay until their retention ends, and so do
 * instances that it owned: the answer names them. No ban: a person who signs in again is noted again.
 */
export const forgetPrincipal: Handler = async (call) => {
  const body = await readBody(call.request, ForgetRequest);
  if (!body.ok) return body;
  const { principal, reason } = body.value;
  const { who, now, ports } = call;
  const { principals, grants, authSessions } = ports.control;
  const held = await grants.list({ subject: principal, now }, undefined, MOST_OWNED);
  if (held.rows.length === 0 && !(await isKnown(principal, call))) return err('principal_unknown');
  const owned = held.rows.flatMap(({ role, agentSlug: agent, instanceId: instance }) =>
    role === 'owner' && instance !== '*' ? [{ agent, instance }] : [],
  );
  const target = LockTarget.parse({ kind: 'principal', id: principal });
  const person = personOf(principal, call);
  const receipt = await changePolicy(
    {
      before: [
        ...(person === undefined ? [] : [authSessions.forget(person)]),
        principals.signOut(everyCredentialOf(principal, now)),
        principals.forget(principal),
        grants.forget(principal, `forgotten:${ports.randomId()}`, now),
      ],
      event: auditEventOf(call, 'principal.forgotten', ports.randomId(), {
        details: { target: targetName(target), ...reasonOf({ reason }) },
      }),
      revocations: [
        newRevocation({
          ...{ target, kind: 'before', code: 'session_terminated', by: who.principal.id, now },
          reason: reason ?? 'the principal was forgotten',
        }),
      ],
    },
    ports,
  );
  return ok({ status: statusOf(receipt), body: { principal, owned, receipt } });
};

/** Whether the databases have or had a row of a principal. A misspelt id must not look like a forgotten principal. */
async function isKnown(principal: PrincipalId, call: Call): Promise<boolean> {
  const { control, record } = call.ports;
  if ((await control.principals.find(principal)) !== undefined) return true;
  const person = personOf(principal, call);
  if (person !== undefined && (await control.authSessions.subjectsOf(person)).length > 0) return true;
  const { rows } = await record.sessions.list({ principal }, undefined, 1);
  return rows.length > 0;
}

/** The person of the tenant that signs in at the broker. */
function personOf(
  principal: PrincipalId,
  { ports }: Call,
): { readonly issuer: string; readonly subject: string } | undefined {
  const tenant = ports.credentials.signIn?.config.tenant;
  const before = `${tenant?.namespace}:`;
  return tenant !== undefined && principal.startsWith(before)
    ? { issuer: tenant.issuer, subject: principal.slice(before.length) }
    : undefined;
}
