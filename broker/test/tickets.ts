import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { allow, deny } from '@agent-ticket/shared/outcome.ts';
import { CONNECT } from '@agent-ticket/shared/scope.ts';
import { TICKET_ALGORITHMS } from '@agent-ticket/shared/ticket.ts';
import { verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { call, type Front, type TicketAnswer, worker } from './call.ts';
import { SETTINGS } from './settings.ts';

/** What a ticket says and whether an agent worker would take it. */

export const headerOf = ({ ticket }: TicketAnswer) => decodeProtectedHeader(ticket);
export const claimsOf = ({ ticket }: TicketAnswer) => decodeJwt(ticket);

/** The published key set as an agent worker fetches it, as bytes. */
export async function publishedKeys(front: Front = worker): Promise<Uint8Array> {
  const { status, text } = await call('/.well-known/jwks.json', { front });
  if (status !== 200) throw new Error(`no key set but ${status}`);
  return new TextEncoder().encode(text);
}

/** One word for what a gate with this key set says of a ticket, by default right when it was made. */
export async function verdict(answer: TicketAnswer, keySet: Uint8Array, now?: number): Promise<string> {
  const keys = await readKeySet(keySet, TICKET_ALGORITHMS);
  const outcome = await verifyTicket(answer.ticket, {
    issuer: SETTINGS.ISSUER,
    audience: SETTINGS.TICKET_AUDIENCE,
    now: now ?? Math.floor(Date.now() / 1000),
    route: { agent: answer.agent, instance: answer.instance },
    scope: CONNECT,
    findKey: async (kid) => {
      const key = keys?.get(kid);
      return key === undefined ? deny('ticket_key_unknown') : allow(key);
    },
  });
  return outcome.ok ? 'accepted' : outcome.denial.reason;
}
