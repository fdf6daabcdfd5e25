import { parseMembers, textOr } from './broker.ts';

/** The frames of the Agents SDK and of renewal that the page explains. Others are only logged. */
export type ServerFrame =
  | { readonly kind: 'state'; readonly state: unknown }
  | { readonly kind: 'answer'; readonly id: string; readonly ok: boolean; readonly result: unknown }
  | { readonly kind: 'expiring'; readonly endsAt: number }
  | { readonly kind: 'renewed'; readonly endsAt: number; readonly scope: string }
  | { readonly kind: 'not renewed'; readonly code: string }
  | { readonly kind: 'other' };

export function readFrame(frame: string): ServerFrame {
  const {
    type,
    state,
    id,
    success,
    result,
    error,
    scope,
    code,
    session_expires_at: end,
  } = parseMembers(frame);
  const endsAt = typeof end === 'string' ? Date.parse(end) : Number.NaN;
  if (type === 'cf_agent_state') return { kind: 'state', state };
  if (type === 'rpc' && typeof id === 'string')
    return { kind: 'answer', id, ok: success === true, result: success === true ? result : error };
  if (type === 'ticket.expiring' && !Number.isNaN(endsAt)) return { kind: 'expiring', endsAt };
  if (type === 'ticket.renewed' && !Number.isNaN(endsAt))
    return { kind: 'renewed', endsAt, scope: textOr(scope, '') };
  if (type === 'ticket.refused') return { kind: 'not renewed', code: textOr(code, 'unknown') };
  return { kind: 'other' };
}

export const callFrame = (id: string, method: string): string =>
  JSON.stringify({ type: 'rpc', id, method, args: [] });

export const renewalFrame = (ticket: string): string => JSON.stringify({ type: 'ticket.renew', ticket });

/** The ticket in a renewal frame; `undefined` for other frames. */
export function ticketIn(frame: string): string | undefined {
  const { type, ticket } = parseMembers(frame);
  return type === 'ticket.renew' ? textOr(ticket, undefined) : undefined;
}

/** A frame for the log: a ticket in it is shortened, as people copy logs. */
export function frameText(frame: string): string {
  const ticket = ticketIn(frame);
  return ticket === undefined ? frame : frame.replace(ticket, `${ticket.slice(0, 8)}…`);
}

/** The scope that a call needs, and whether a ticket has it. */
export function callScope(
  method: string,
  scope: string,
): { readonly needed: string; readonly held: boolean } {
  const needed = `agent:rpc:${method}`;
  return { needed, held: scope.split(' ').some((one) => one === needed || one === 'agent:rpc:*') };
}
