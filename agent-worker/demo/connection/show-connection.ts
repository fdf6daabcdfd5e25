import type { TicketProvider } from '@agent-ticket/shared/client/provider.ts';
import { need, shown } from '../dom.ts';
import type { ReadTicket } from '../ticket/ticket-text.ts';
import { callButtons } from './calls.ts';
import { frameLog } from './frame-log.ts';
import { call, type Heard, hear, ticketIn } from './frames.ts';
import { meaningOf } from './meaning.ts';
import { showSession } from './session-panel.ts';
import { type BrowserDelivery, openSocket } from './socket.ts';

export interface ConnectionOptions {
  readonly number: number;
  readonly ticket: ReadTicket;
  readonly delivery: BrowserDelivery;
  /** Renews the session, as an app would have it; see {@link SessionPanelOptions.tickets}. */
  readonly tickets: TicketProvider | undefined;
  /** The ticket was taken: a frame came, or the socket stayed open. */
  readonly onAdmitted: () => void;
  readonly onClosed: () => void;
  /** A ticket of the session went out to renew it. */
  readonly onRenewal: (ticket: string) => void;
  /** One sentence for those who do not see the page. */
  readonly tell: (sentence: string) => void;
}

/** A refused upgrade opens too, and closes at once. What is still open after this, in ms, was admitted. */
const ADMITTED_AFTER_MS = 1_000;

/** Opens a socket and shows what becomes of it. */
export function showConnection(options: ConnectionOptions): HTMLElement {
  const { number, ticket, delivery, tickets, tell } = options;
  const template = need(document, '#connection', HTMLTemplateElement);
  const card = need(template.content, 'li', HTMLElement).cloneNode(true);
  if (!(card instanceof HTMLElement)) throw new Error('a template holds elements');
  const part = (selector: string): HTMLElement => need(card, selector, HTMLElement);
  const name = `Connection ${number}`;
  const log = frameLog(card);
  const called = new Map<string, string>();
  const socket = openSocket(ticket, delivery);
  const stopRenewal = tickets?.attachRenewal(socket);
  const session = showSession({
    card,
    endsAt: ticket.claims.session_expiry * 1000,
    send: (frame) => socket.send(frame),
    tickets,
  });
  const calls = callButtons(ticket.claims.agent, ticket.claims.scope, (method) => {
    const id = crypto.randomUUID();
    called.set(id, method);
    socket.send(call(id, method));
  });
  let admitted = false;

  const status = (state: 'opening' | 'open' | 'refused' | 'closed', text: string): void => {
    card.dataset.state = state;
    part('.status').textContent = text;
  };

  function admit(): void {
    if (admitted || socket.readyState !== WebSocket.OPEN) return;
    admitted = true;
    status('open', 'Open');
    shown(part('.live'), true);
    options.onAdmitted();
    tell(`${name} is open.`);
  }

  function showHeard(heard: Heard): void {
    if (heard.kind === 'state') part('.state').textContent = JSON.stringify(heard.state, null, 2);
    if (heard.kind === 'renewed') calls.update(heard.scope);
    if (heard.kind === 'answer') {
      const method = called.get(heard.id) ?? 'a call';
      const said = typeof heard.result === 'string' ? heard.result : JSON.stringify(heard.result, null, 1);
      part('.result').textContent = `${method}() ${heard.ok ? 'answered' : 'was refused:'} ${said}`;
      part('.result').dataset.ok = String(heard.ok);
    }
    const sentence = session.hear(heard);
    if (sentence !== undefined) tell(`${name}. ${sentence}`);
  }

  socket.onsent = (frame) => {
    log('sent', frame);
    const renewing = ticketIn(frame);
    if (renewing !== undefined) options.onRenewal(renewing);
  };
  socket.addEventListener('open', () => {
    status('opening', 'Handshake done');
    setTimeout(admit, ADMITTED_AFTER_MS);
  });
  socket.addEventListener('message', ({ data }) => {
    const frame = typeof data === 'string' ? data : '(binary)';
    admit();
    log('received', frame);
    showHeard(hear(frame));
  });
  socket.addEventListener('close', ({ code, reason }) => {
    stopRenewal?.();
    session.stop();
    shown(part('.live'), false);
    options.onClosed();
    const label = [code, reason].filter(Boolean).join(' ');
    if (admitted && code <= 1005 && code !== 1001) return status('closed', `Closed (${code})`);
    const { why, client = '', next } = meaningOf(code, reason, admitted);
    status('refused', `${admitted ? 'Ended' : 'Refused'}: ${label}`);
    part('.why').textContent = `${why} ${client}`.trim();
    part('.next').textContent = next;
    shown(part('.refusal'), true);
    tell(`${name} was ${admitted ? 'ended' : 'refused'}: ${label}. ${why}`);
  });

  part('h3').textContent = `${name}: ${ticket.claims.agent} / ${ticket.claims.instance}, by ${delivery}`;
  status('opening', 'Connecting');
  part('.calls').append(...calls.elements);
  shown(part('.call-set'), calls.elements.length > 0);
  part('.end').addEventListener('click', () => socket.close(1000));
  return card;
}
