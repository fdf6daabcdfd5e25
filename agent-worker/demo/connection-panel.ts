import type { TicketProvider } from '@agent-ticket/client';
import { type Delivery, present } from '@agent-ticket/shared/handshake.ts';
import { explainClose } from './close-explanations.ts';
import { clockTime, elementOf, make, remainingTime, setVisible } from './dom.ts';
import {
  callFrame,
  callScope,
  frameText,
  readFrame,
  renewalFrame,
  type ServerFrame,
  ticketIn,
} from './frames.ts';
import type { DecodedTicket } from './ticket-panel.ts';

interface ConnectionOptions {
  readonly number: number;
  readonly ticket: DecodedTicket;
  readonly delivery: BrowserDelivery;
  /** See {@link SessionPanelOptions.tickets}. */
  readonly tickets: TicketProvider | undefined;
  /** The ticket was accepted: a frame came, or the socket stayed open. */
  readonly onAdmitted: () => void;
  readonly onClosed: (admitted: boolean) => void;
  /** A renewal was sent with this ticket. */
  readonly onRenewal: (ticket: string) => void;
  /** Announces one sentence to screen readers. */
  readonly announce: (sentence: string) => void;
}

/** A refused upgrade opens too, and closes at once. A socket that is open after this time, in ms, was admitted. */
const ADMITTED_AFTER_MS = 1_000;

/** Opens a socket and shows its frames, its session and its close. */
export function showConnection(options: ConnectionOptions): HTMLElement {
  const { number, ticket, delivery, tickets, announce } = options;
  const template = elementOf(document, '#connection', HTMLTemplateElement);
  const card = elementOf(template.content, 'li', HTMLElement).cloneNode(true);
  if (!(card instanceof HTMLElement)) throw new Error('a template holds elements');
  const part = (selector: string): HTMLElement => elementOf(card, selector, HTMLElement);
  const name = `Connection ${number}`;
  const log = frameLog(card);
  const methods = new Map<string, string>();
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
    methods.set(id, method);
    socket.send(callFrame(id, method));
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
    setVisible(part('.live'), true);
    options.onAdmitted();
    announce(`${name} is open.`);
  }

  function showFrame(frame: ServerFrame): void {
    if (frame.kind === 'state') part('.state').textContent = JSON.stringify(frame.state, null, 2);
    if (frame.kind === 'renewed') calls.update(frame.scope);
    if (frame.kind === 'answer') {
      const method = methods.get(frame.id) ?? 'a call';
      const result = typeof frame.result === 'string' ? frame.result : JSON.stringify(frame.result, null, 1);
      part('.result').textContent = `${method}() ${frame.ok ? 'answered' : 'was refused:'} ${result}`;
      part('.result').dataset.ok = String(frame.ok);
    }
    const sentence = session.update(frame);
    if (sentence !== undefined) announce(`${name}. ${sentence}`);
  }

  socket.onsent = (frame) => {
    log('sent', frame);
    const renewal = ticketIn(frame);
    if (renewal !== undefined) options.onRenewal(renewal);
  };
  socket.addEventListener('open', () => {
    status('opening', 'Handshake done');
    setTimeout(admit, ADMITTED_AFTER_MS);
  });
  socket.addEventListener('message', ({ data }) => {
    const frame = typeof data === 'string' ? data : '(binary)';
    admit();
    log('received', frame);
    showFrame(readFrame(frame));
  });
  socket.addEventListener('close', ({ code, reason }) => {
    stopRenewal?.();
    session.stop();
    setVisible(part('.live'), false);
    options.onClosed(admitted);
    const label = [code, reason].filter(Boolean).join(' ');
    if (admitted && code <= 1005 && code !== 1001) return status('closed', `Closed (${code})`);
    const { why, client = '', next } = explainClose(code, reason, admitted);
    status('refused', `${admitted ? 'Ended' : 'Refused'}: ${label}`);
    part('.why').textContent = `${why} ${client}`.trim();
    part('.next').textContent = next;
    setVisible(part('.refusal'), true);
    announce(`${name} was ${admitted ? 'ended' : 'refused'}: ${label}. ${why}`);
  });

  part('h3').textContent = `${name}: ${ticket.claims.agent} / ${ticket.claims.instance}, by ${delivery}`;
  status('opening', 'Connecting');
  part('.calls').append(...calls.elements);
  setVisible(part('.call-set'), calls.elements.length > 0);
  part('.end').addEventListener('click', () => socket.close(1000));
  return card;
}

interface SessionPanel {
  /** Shows a frame about the session; returns a sentence for screen readers. */
  update(frame: ServerFrame): string | undefined;
  stop(): void;
}

interface SessionPanelOptions {
  readonly card: HTMLElement;
  readonly endsAt: number;
  readonly send: (frame: string) => void;
  /** Renews the session; `undefined` where it cannot be renewed from here. */
  readonly tickets: TicketProvider | undefined;
}

/** The end of a session, and the results of its renewals. */
function showSession({ card, endsAt, send, tickets }: SessionPanelOptions): SessionPanel {
  const text = elementOf(card, '.session-text', HTMLElement);
  const events = elementOf(card, '.session-events', HTMLElement);
  const renew = elementOf(card, '.renew', HTMLButtonElement);
  let ends = endsAt;

  const showTime = (): void => {
    text.textContent = `The session goes on ${remainingTime(ends, Date.now())}, until ${clockTime(ends)}.`;
  };
  const note = (sentence: string): string => {
    events.append(make('li', `${clockTime(Date.now())} ${sentence}`));
    return sentence;
  };
  renew.hidden = tickets === undefined;
  renew.addEventListener('click', () => {
    renew.disabled = true;
    tickets
      ?.mint()
      .then(
        ({ protocols: [, ticket = ''] }) => send(renewalFrame(ticket)),
        (error: Error) => note(`No ticket to renew with: ${error.name}.`),
      )
      .finally(() => {
        renew.disabled = false;
      });
  });
  showTime();
  const timer = setInterval(showTime, 1000);

  return {
    update(frame) {
      if (frame.kind === 'expiring') {
        ends = frame.endsAt;
        showTime();
        return note(
          `The session ends soon, at ${clockTime(ends)}. The client asks for a ticket to renew it.`,
        );
      }
      if (frame.kind === 'renewed') {
        ends = frame.endsAt;
        showTime();
        return note(`Renewed: the session now ends at ${clockTime(ends)}.`);
      }
      if (frame.kind === 'not renewed') return note(`Not renewed: ${frame.code}.`);
      return undefined;
    },
    stop: () => clearInterval(timer),
  };
}

/** Callable methods of the example agents that get a button. */
const METHODS: Readonly<Record<string, readonly string[]>> = {
  counter: ['increment', 'reset', 'whoami'],
  lobby: ['increment'],
};

interface Calls {
  readonly elements: readonly HTMLElement[];
  /** Shows again which calls the scope allows. */
  update(scope: string): void;
}

/** A call can be made without its scope, to demonstrate the refusal of the agent. */
function callButtons(agent: string, scope: string, onCall: (method: string) => void): Calls {
  const entries = (METHODS[agent] ?? []).map((method) => {
    const button = make('button', `${method}()`);
    button.type = 'button';
    button.className = 'plain';
    button.addEventListener('click', () => onCall(method));
    const note = make('span');
    note.className = 'note';
    note.id = `scope-${crypto.randomUUID()}`;
    button.setAttribute('aria-describedby', note.id);
    return { method, note, element: make('div', button, note) };
  });
  const update = (current: string): void => {
    for (const { method, note } of entries) {
      const { needed, held } = callScope(method, current);
      note.textContent = `The ticket ${held ? 'has' : 'lacks'} ${needed}.`;
      note.dataset.held = String(held);
    }
  };
  update(scope);
  return { elements: entries.map(({ element }) => element), update };
}

const FRAMES_SHOWN = 50;

/** All frames of a socket, newest first. */
function frameLog(card: HTMLElement): (direction: 'received' | 'sent', frame: string) => void {
  const details = elementOf(card, '.frames', HTMLElement);
  const list = elementOf(details, 'ol', HTMLElement);
  const count = elementOf(details, '.count', HTMLElement);
  return (direction, frame) => {
    const entry = make('li', make('b', `${clockTime(Date.now())} ${direction} `), frameText(frame));
    entry.dataset.direction = direction;
    list.prepend(entry);
    if (list.childElementCount > FRAMES_SHOWN) list.lastElementChild?.remove();
    count.textContent = String(Number(count.textContent) + 1);
    setVisible(details, true);
  };
}

/** Browsers have no other delivery: their WebSocket sends no `Authorization`. */
type BrowserDelivery = Exclude<Delivery, 'authorization'>;

/** Reports outgoing frames too, such as the renewals of the ticket provider. */
class LoggedSocket extends WebSocket {
  onsent: (frame: string) => void = () => {};

  override send(data: string): void {
    super.send(data);
    this.onsent(data);
  }
}

/** Opens the socket that the ticket is for, on the worker that served the page. */
function openSocket({ text, claims }: DecodedTicket, delivery: BrowserDelivery): LoggedSocket {
  const path = [claims.agent, claims.instance].map(encodeURIComponent).join('/');
  const bare = new URL(`/agents/${path}`, location.href);
  bare.protocol = bare.protocol === 'https:' ? 'wss:' : 'ws:';
  const { url, protocols } = present(bare.href, text);
  return delivery === 'query' ? new LoggedSocket(url) : new LoggedSocket(bare, protocols);
}
