import { parseMembers, textOr } from '../json.ts';

/** The frames of the Agents SDK and of renewal that the page shows in words. Others are shown as they are. */
export type Heard =
  | { readonly kind: 'state'; readonly state: unknown }
  | { readonly kind: 'answer'; readonly id: string; readonly ok: boolean; readonly result: unknown }
  | { readonly kind: 'expiring'; readonly endsAt: number }
  | { readonly kind: 'renewed'; readonly endsAt: number; readonly scope: string }
  | { readonly kind: 'not renewed'; readonly code: string }
  | { readonly kind: 'other' };

export function hear(frame: string): Heard {
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

export const call = (id: string, method: string): string =>
  JSON.stringify({ type: 'rpc', id, method, args: [] });

export const renewal = (ticket: string): string => JSON.stringify({ type: 'ticket.renew', ticket });

/** The ticket in a frame that renews with it, if it is one. */
export function ticketIn(frame: string): string | undefined {
  const { type, ticket } = parseMembers(frame);
  return type === 'ticket.renew' ? textOr(ticket, undefined) : undefined;
}

/** A frame as the log shows it: a ticket in it only by its first letters, as logs are copied. */
export function frameText(frame: string): string {
  const ticket = ticketIn(frame);
  return ticket === undefined ? frame : frame.replace(ticket, `${ticket.slice(0, 8)}…`);
}
