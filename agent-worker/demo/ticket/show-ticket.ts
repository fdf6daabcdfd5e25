import { clockTime, fill, make, need } from '../dom.ts';
import { type ClaimRow, headerRows, mainRows, otherRows } from './claim-words.ts';
import type { ReadTicket } from './ticket-text.ts';
import { momentBetween, timeOf } from './ticket-time.ts';

export interface TicketView {
  /** Shows one ticket and its time running out, in the place of the one before. */
  show(ticket: ReadTicket): void;
  markUsed(ticket: ReadTicket): void;
}

export function createTicketView(): TicketView {
  const section = need(document, '#ticket', HTMLElement);
  const text = need(section, '#time-text', HTMLElement);
  const bar = need(section, '#time-left', HTMLProgressElement);
  const told = need(section, '#time-told', HTMLElement);
  let current: ReadTicket | undefined;
  let usedAt: number | undefined;
  let lookedAt = 0;

  function look(): void {
    if (current === undefined) return;
    const { claims } = current;
    const nowSeconds = Date.now() / 1000;
    const time = timeOf(claims, nowSeconds);
    text.textContent = usedAt === undefined ? time.text : `Used at ${clockTime(usedAt)}. ${time.text}`;
    bar.value = time.left;
    const moment = momentBetween(claims.exp, lookedAt, nowSeconds);
    if (moment !== undefined && usedAt === undefined)
      told.textContent =
        moment === 0 ? 'The ticket has expired.' : `The ticket expires in ${moment} seconds.`;
    lookedAt = nowSeconds;
  }
  setInterval(look, 500);

  return {
    show(ticket) {
      current = ticket;
      usedAt = undefined;
      lookedAt = Date.now() / 1000;
      fill(section);
      need(section, '#header', HTMLElement).replaceChildren(...headerRows(ticket).map(rowElement));
      need(section, '#claims', HTMLElement).replaceChildren(...mainRows(ticket).map(rowElement));
      need(section, '#claims-more', HTMLElement).replaceChildren(...otherRows(ticket).map(rowElement));
      need(section, '#raw', HTMLElement).replaceChildren(...partsOf(ticket.text));
      look();
      const { agent, instance } = ticket.claims;
      told.textContent = `A ticket for ${agent}, instance ${instance}. ${text.textContent}.`;
      section.scrollIntoView({ block: 'nearest' });
    },
    markUsed(ticket) {
      if (ticket !== current || usedAt !== undefined) return;
      usedAt = Date.now();
      look();
    },
  };
}

function rowElement({ name, value, meaning }: ClaimRow): HTMLElement {
  const term = make('dt', make('code', name));
  const about = make('p', meaning);
  about.className = 'meaning';
  return make('div', term, make('dd', make('p', value), about));
}

/** Header, claims and signature, told apart by colour and by the dots between them. */
function partsOf(text: string): (string | Node)[] {
  return text.split('.').flatMap((part, index) => {
    const element = make('span', part);
    element.className = `part-${index}`;
    return index === 0 ? [element] : ['.', element];
  });
}
