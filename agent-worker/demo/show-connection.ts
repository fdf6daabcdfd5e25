import { clockTime, make, need, shown } from './dom.ts';
import { call, hear } from './frames.ts';
import { meaningOf } from './meaning.ts';
import { type BrowserDelivery, openSocket } from './socket.ts';
import type { ReadTicket } from './ticket-text.ts';

export interface ConnectionOptions {
  readonly number: number;
  readonly ticket: ReadTicket;
  readonly delivery: BrowserDelivery;
  /** The ticket was taken: a frame came, or the socket stayed open. */
  readonly onAdmitted: () => void;
  /** One sentence for those who do not see the page. */
  readonly tell: (sentence: string) => void;
}

/** A refused upgrade opens too, and closes at once. What is still open after this, in ms, was admitted. */
const ADMITTED_AFTER_MS = 1_000;
const METHODS = ['increment', 'whoami'];
const FRAMES_SHOWN = 50;

/** Opens a socket and shows what becomes of it. */
export function showConnection(options: ConnectionOptions): HTMLElement {
  const { number, ticket, delivery, tell } = options;
  const template = need(document, '#connection', HTMLTemplateElement);
  const card = need(template.content, 'li', HTMLElement).cloneNode(true);
  if (!(card instanceof HTMLElement)) throw new Error('a template holds elements');
  const part = (selector: string): HTMLElement => need(card, selector, HTMLElement);
  const name = `Connection ${number}`;
  const socket = openSocket(ticket, delivery);
  const calls = new Map<string, string>();
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

  function show(direction: 'received' | 'sent', frame: string): void {
    const list = part('.frames ol');
    const entry = make('li', make('b', `${clockTime(Date.now())} ${direction} `), frame);
    list.prepend(entry);
    if (list.childElementCount > FRAMES_SHOWN) list.lastElementChild?.remove();
    const count = part('.count');
    count.textContent = String(Number(count.textContent) + 1);
    shown(part('.frames'), true);
  }

  socket.addEventListener('open', () => {
    status('opening', 'Handshake done');
    setTimeout(admit, ADMITTED_AFTER_MS);
  });
  socket.addEventListener('message', ({ data }) => {
    const frame = typeof data === 'string' ? data : '(binary)';
    admit();
    show('received', frame);
    const heard = hear(frame);
    if (heard.kind === 'state') part('.state').textContent = JSON.stringify(heard.state, null, 2);
    if (heard.kind === 'answer') {
      const said = JSON.stringify(heard.result);
      part('.result').textContent =
        `${calls.get(heard.id) ?? 'a call'}() ${heard.ok ? 'answered' : 'was refused:'} ${said}`;
    }
  });
  socket.addEventListener('close', ({ code, reason }) => {
    shown(part('.live'), false);
    const label = [code, reason].filter(Boolean).join(' ');
    if (admitted && code <= 1005 && code !== 1001) return status('closed', `Closed (${code})`);
    const { why, client = '', next } = meaningOf(code, reason);
    status('refused', `${admitted ? 'Ended' : 'Refused'}: ${label}`);
    part('.why').textContent = `${why} ${client}`.trim();
    part('.next').textContent = next;
    shown(part('.refusal'), true);
    tell(`${name} was ${admitted ? 'ended' : 'refused'}: ${label}. ${why}`);
  });

  part('h3').textContent = `${name}: ${ticket.claims.agent} / ${ticket.claims.instance}, by ${delivery}`;
  status('opening', 'Connecting');
  part('.calls').append(
    ...METHODS.map((method) =>
      callButton(method, ticket.claims.scope, () => {
        const id = crypto.randomUUID();
        calls.set(id, method);
        const frame = call(id, method);
        socket.send(frame);
        show('sent', frame);
      }),
    ),
  );
  part('.end').addEventListener('click', () => socket.close(1000));
  return card;
}

/** A call may be tried without its scope: that the refusal comes from the other side is what there is to see. */
function callButton(method: string, scope: string, onCall: () => void): HTMLElement {
  const needed = `agent:rpc:${method}`;
  const held = scope.split(' ').some((one) => one === needed || one === 'agent:rpc:*');
  const button = make('button', `${method}()`);
  button.type = 'button';
  button.className = 'plain';
  button.addEventListener('click', onCall);
  const note = make('span', held ? `The ticket has ${needed}.` : `The ticket lacks ${needed}.`);
  note.className = 'note';
  return make('div', button, note);
}
