import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { type ExitCode, type Terminal, UsageError } from '../command.ts';
import { findAccess } from './access.ts';
import type { Json } from './client.ts';
import { operationOf } from './operation.ts';
import { json } from './plain-text.ts';
import type { Common } from './row.ts';
import { cell, pagesOf } from './show.ts';

/** The remedy for a refusal, by its code. Codes without one explain themselves by their names. */
const REMEDIES: Partial<Record<DenialReason, string>> = {
  credential_expired: 'The caller needs a new credential: it has to sign in again, or renew its token.',
  credential_secret_wrong: 'The secret is not that of the token. Compare it, or rotate the token.',
  credential_revoked: 'The credential was revoked. Give the caller another one.',
  credential_issuer_unknown: 'The issuer of the credential is not configured at the broker.',
  permission_missing:
    'Give the caller the permission that details name, by a claim rule or another service token.',
  agent_unknown: 'The registry has no such agent, or it is not enabled. Compare the slug with "agents list".',
  agent_invisible:
    'The caller has no role there. Give one by "grants create", or to a service token that is for other agents this one by --agents.',
  instance_unlisted: 'The registry lists the instances of this agent, and this one is not among them.',
  instance_missing: 'The request must name an instance.',
  locked: 'A lock stops the caller or the target. See "locks list", and lift it by "locks delete".',
  tier_insufficient:
    'The agent asks for a higher tier. Give the caller one, by a claim rule or its service token.',
  grant_missing: 'Nothing gives the caller a role there. Give one by "grants create".',
  claim_limit_reached: 'The caller owns as many instances as one may. It has to delete one.',
  scope_outside_role:
    'The request asks for scopes that the role has not. Ask for less, or give a higher role.',
  transport_not_offered: 'The agent does not offer this transport. See "agents list".',
  rate_limited: 'The caller asked too often. It may come again when the limit is over.',
  ticket_expired: 'The ticket came too late. The client has to get a new one for each connection.',
  ticket_used:
    'The ticket had opened a session already. The client has to get a new one for each connection.',
  ticket_agent_wrong: 'The ticket was for another agent than the address it was shown at.',
  ticket_instance_wrong: 'The ticket was for another instance than the address it was shown at.',
  ticket_audience_wrong: 'TICKET_AUDIENCE of broker and agent worker differ.',
  ticket_issuer_wrong: 'ISSUER of broker and agent worker differ.',
  session_terminated: 'An operator ended the session. The next one may be opened.',
  rights_changed:
    'A grant, rule or sign-in behind the session has changed. The client comes back with a new ticket.',
  frame_scope_missing:
    'The role lacks the scope of this call. See docs/reference/scopes.md for scopes of roles.',
};
const isKnown = (code: unknown): code is DenialReason =>
  typeof code === 'string' && Object.hasOwn(REMEDIES, code);

const MOST_EVENTS = 200;

/** `agent-ticket why`: the events of the audit log about one request, whose id a person quotes. */
export async function why(id: string, common: Common, terminal: Terminal): Promise<ExitCode> {
  const access = await findAccess(common.profile, terminal);
  const audit = operationOf('GET /admin/agents/audit');
  const events: Json[] = [];
  for await (const page of pagesOf(audit, { request_id: id }, MOST_EVENTS, access, terminal))
    events.push(...page);
  if (events.length === 0)
    throw new UsageError(
      `The audit log has no event of the request ${id}. Events arrive within a minute. Refusals of a wrong credential, and of calls that are no request for a ticket, are in the broker's own log alone: Workers Logs, the journal or output of a broker on Node, .dev/workers.log of npm start.`,
    );
  if (common.json) terminal.out(events.map((event) => `${json(event)}\n`).join(''));
  else for (const event of events.toReversed()) terminal.out(report(event));
  return 0;
}

function report(event: Json): string {
  const { at, type, outcome, code, principal, agent, instance, details } = event;
  const where = typeof agent === 'string' ? ` at ${cell(agent)}${instance ? `/${cell(instance)}` : ''}` : '';
  const lines = [
    `${cell(at)}  ${cell(type)}  ${outcome === 'denied' ? `refused: ${cell(code)}` : 'done'}`,
    `  ${cell(principal)}${where}`,
    ...(details === null || details === undefined ? [] : [`  ${cell(details)}`]),
    ...(isKnown(code) ? [`  ${REMEDIES[code]}`] : []),
  ];
  return `${lines.join('\n')}\n`;
}
