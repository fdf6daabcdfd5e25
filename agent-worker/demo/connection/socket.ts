import { type Delivery, present } from '@agent-ticket/shared/handshake.ts';
import type { ReadTicket } from '../ticket/ticket-text.ts';

/** Ways of delivery that a browser has: its WebSocket sends no `Authorization`. */
export type BrowserDelivery = Exclude<Delivery, 'authorization'>;

/** A socket that also tells what goes out, such as the renewals that the ticket provider sends. */
export class ToldSocket extends WebSocket {
  onsent: (frame: string) => void = () => {};

  override send(data: string): void {
    super.send(data);
    this.onsent(data);
  }
}

/** Opens the one socket that a ticket is for, on the worker that served the page. */
export function openSocket({ text, claims }: ReadTicket, delivery: BrowserDelivery): ToldSocket {
  const path = [claims.agent, claims.instance].map(encodeURIComponent).join('/');
  const bare = new URL(`/agents/${path}`, location.href);
  bare.protocol = bare.protocol === 'https:' ? 'wss:' : 'ws:';
  const { url, protocols } = present(bare.href, text);
  return delivery === 'query' ? new ToldSocket(url) : new ToldSocket(bare, protocols);
}
