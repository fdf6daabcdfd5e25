import { type KeySet, readKeySet } from '@agent-ticket/shared/key-set.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { CONNECT } from '@agent-ticket/shared/scope.ts';
import { TICKET_ALGORITHMS, type TicketAlgorithm } from '@agent-ticket/shared/ticket.ts';
import { verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { call, type Front, type TicketAnswer, worker } from './call.ts';
import { SETTINGS } from './settings.ts';

/** What a ticket says and whether an agent worker would take it. */

export const headerOf = ({ ticket }: TicketAnswer) => decodeProtectedHeader(ticket);
export const claimsOf = ({ ticket }: TicketAnswer) => decodeJwt(ticket);

export type TicketKeys = KeySet<TicketAlgorithm>;

/** The published key set, read as an agent worker reads it. */
export async function publishedKeys(front: Front = worker): Promise<TicketKeys> {
  const { status, text } = await call('/.well-known/jwks.json', { front });
  const keys = await readKeySet(new TextEncoder().encode(text), TICKET_ALGORITHMS);
  if (status !== 200 || keys === undefined) throw new Error(`no key set but ${status} ${text}`);
  return keys;
}

/** One word for what a gate with these keys says of a ticket, by default right when it was made. */
export async function verdict(answer: TicketAnswer, keys: TicketKeys, now?: number): Promise<string> {
  const outcome = await verifyTicket(answer.ticket, {
    issuer: SETTINGS.ISSUER,
    audience: SETTINGS.TICKET_AUDIENCE,
    nowSeconds: now ?? Math.floor(Date.now() / 1000),
    route: { agent: answer.agent, instance: answer.instance },
    scope: CONNECT,
    findKey: async (kid) => {
      const key = keys.get(kid);
      return key === undefined ? err('ticket_key_unknown') : ok(key);
    },
  });
  return outcome.ok ? 'accepted' : outcome.denial.reason;
}
