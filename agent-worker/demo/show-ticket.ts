import { clockTime, make, need } from './dom.ts';
import type { ReadTicket } from './ticket-text.ts';
import { momentBetween, timeOf } from './ticket-time.ts';

/** Shows one ticket and its time running out. A later call shows another in its place. */
export function createTicketView(): { show(ticket: ReadTicket): void; markUsed(ticket: ReadTicket): void } {
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
    const now = Date.now() / 1000;
    const time = timeOf(claims, now);
    text.textContent = usedAt === undefined ? time.text : `Used at ${clockTime(usedAt)}. ${time.text}`;
    bar.value = time.left;
    const moment = momentBetween(claims.exp, lookedAt, now);
    if (moment !== undefined && usedAt === undefined)
      told.textContent =
        moment === 0 ? 'The ticket has expired.' : `The ticket expires in ${moment} seconds.`;
    lookedAt = now;
  }
  setInterval(look, 500);

  return {
    show(ticket) {
      current = ticket;
      usedAt = undefined;
      lookedAt = Date.now() / 1000;
      section.hidden = false;
      need(section, '#claims', HTMLElement).replaceChildren(...rowsOf(ticket));
      need(section, '#raw', HTMLElement).textContent = JSON.stringify(
        { header: ticket.header, claims: ticket.claims },
        null,
        2,
      );
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

function rowsOf({ claims }: ReadTicket): HTMLElement[] {
  const rows: readonly (readonly [string, string])[] = [
    ['Opens', `${claims.agent} / ${claims.instance}`],
    ['For', claims.sub],
    ['Role', `${claims.role}, tier ${claims.tier}`],
    ['Scope', claims.scope],
    ['Ticket id', claims.jti],
    ['Expires', clockTime(claims.exp * 1000)],
    ['Session until', clockTime(claims.session_expiry * 1000)],
  ];
  return rows.flatMap(([name, value]) => [make('dt', name), make('dd', value)]);
}
