import { isAnonymous } from '@agent-ticket/shared/anonymous.ts';
import { createTicketProvider, type TicketProvider } from '@agent-ticket/shared/client/provider.ts';
import { createAskBroker } from './broker.ts';
import { showConnection } from './connection/show-connection.ts';
import { fill, make, need, shown } from './dom.ts';
import type { DemoFacts } from './facts.ts';
import { type SessionsPanel, showSessions } from './sessions/show-sessions.ts';
import { createTicketView } from './ticket/show-ticket.ts';
import { readTicket } from './ticket/ticket-text.ts';
import { showIdentity } from './who/show-identity.ts';
import { type Gotten, showWish } from './wish/show-wish.ts';

/** The demo page: who asks, one ticket at a time, any number of tries with it, and the sessions that came of it. */

/** Facts of a session reach the broker's list a moment after the socket opened or closed; in ms. */
const LISTED_AFTER_MS = 800;

const openButton = need(document, '#open-button', HTMLButtonElement);
const openNote = need(document, '#open-note', HTMLElement);
const told = need(document, '#told', HTMLElement);
const view = createTicketView();
let gotten: Gotten | undefined;
let connections = 0;

function take(next: Gotten): void {
  gotten = next;
  view.show(next.ticket);
  openButton.textContent = 'Connect';
  openNote.textContent = '';
  fill(need(document, '#connect', HTMLElement));
}

/** What an app would have: tickets for renewals, for the same place and asked for in the same way. None where no session renews. */
function ticketsFor({ asked, ticket }: Gotten, broker: string): TicketProvider | undefined {
  if (asked === undefined || isAnonymous(ticket.claims.sub)) return undefined;
  const { agent, instance, scope } = asked.wish;
  return createTicketProvider({
    broker,
    host: location.origin,
    agent,
    instance,
    credential: { kind: asked.speaker === 'nobody' ? 'none' : 'session' },
    ...(scope === undefined ? {} : { scope }),
  });
}

function connect(current: Gotten, broker: string, sessions: SessionsPanel): void {
  const query = need(document, 'input[value="query"]', HTMLInputElement);
  const { ticket } = current;
  const listLater = (): void => {
    setTimeout(() => void sessions.refresh(), LISTED_AFTER_MS);
  };
  connections += 1;
  sessions.own(ticket.claims.jti);
  need(document, '#connections', HTMLElement).prepend(
    showConnection({
      number: connections,
      ticket,
      delivery: query.checked ? 'query' : 'subprotocol',
      tickets: ticketsFor(current, broker),
      onAdmitted() {
        view.markUsed(ticket);
        listLater();
      },
      onClosed: listLater,
      onRenewal(text) {
        const renewing = readTicket(text);
        if (renewing.ok) sessions.own(renewing.value.claims.jti);
      },
      tell: (sentence) => {
        told.textContent = sentence;
      },
    }),
  );
  openButton.textContent = 'Connect again with the same ticket';
  openNote.textContent = 'One ticket opens one session: a second try is refused, and says why.';
}

/** Agents with a page of their own here. */
function linkPages({ chat }: DemoFacts): void {
  const nav = need(document, '#pages', HTMLElement);
  if (chat === undefined) return;
  const link = make('a', 'The chat, as an app would have it');
  link.href = chat;
  nav.append(link);
  shown(nav, true);
}

async function start(): Promise<void> {
  const answer = await fetch('/demo.json');
  if (!answer.ok) throw new Error(`/demo.json answered ${answer.status}`);
  const facts: DemoFacts = await answer.json();
  const { broker, accessUrl, agents } = facts;
  linkPages(facts);
  const ask = createAskBroker(broker);
  const identity = showIdentity({ broker, page: `${location.origin}/`, accessUrl }, ask, () => {
    wish.clear();
    void sessions.refresh();
  });
  const sessions = showSessions(ask, identity);
  const wish = showWish({ agents, ask, speaker: identity.speaker, onTicket: take, onBug: explain });
  need(document, '#open', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    if (gotten !== undefined) connect(gotten, broker, sessions);
  });
  await identity.refresh();
  await sessions.refresh();
}

/** Something that should not happen: said on the page, and left for the console to show. */
function explain(error: unknown): void {
  const fault = need(document, '#wish-fault', HTMLElement);
  fault.textContent = `The page could not do that (${String(error)}). Look whether the agent worker runs, then reload.`;
  shown(fault, true);
  console.error(error);
}

start().catch(explain);
