import { createTicketProvider, type TicketProvider } from '@agent-ticket/client';
import { isAnonymous } from '@agent-ticket/shared/anonymous.ts';
import { createRequestBroker } from './broker.ts';
import { showConnection } from './connection-panel.ts';
import { elementOf, make, setVisible, showContent } from './dom.ts';
import { type DemoFacts, readFacts } from './facts.ts';
import { showIdentity } from './identity-panel.ts';
import { showNextStep } from './next-step.ts';
import { type SessionsPanel, showSessions } from './sessions-panel.ts';
import { createTicketPanel, decodeTicket } from './ticket-panel.ts';
import { type IssuedTicket, showTicketRequest } from './ticket-request-panel.ts';

/** The demo page: identity, one ticket at a time, connections with it, and live sessions. */

/** The broker lists a change of a session with a delay; in ms. */
const LISTED_AFTER_MS = 800;

const openButton = elementOf(document, '#open-button', HTMLButtonElement);
const openNote = elementOf(document, '#open-note', HTMLElement);
const announcement = elementOf(document, '#announcement', HTMLElement);
const ticketPanel = createTicketPanel();
let current: IssuedTicket | undefined;
let connections = 0;

function setTicket(next: IssuedTicket): void {
  current = next;
  ticketPanel.show(next.ticket);
  openButton.textContent = 'Connect';
  openButton.className = '';
  openNote.textContent = '';
  showContent(elementOf(document, '#connect', HTMLElement));
  showNextStep('ticket');
}

/** The ticket provider of an app, for renewals with the same request. `undefined` where the session cannot renew. */
function renewalProvider({ request, ticket }: IssuedTicket, broker: string): TicketProvider | undefined {
  if (request === undefined || isAnonymous(ticket.claims.sub)) return undefined;
  const { agent, instance, scope } = request.body;
  return createTicketProvider({
    broker,
    host: location.origin,
    agent,
    instance,
    credential: { kind: request.caller === 'anonymous' ? 'none' : 'session' },
    ...(scope === undefined ? {} : { scope }),
  });
}

function connect(issued: IssuedTicket, broker: string, sessions: SessionsPanel): void {
  const query = elementOf(document, 'input[value="query"]', HTMLInputElement);
  const { ticket } = issued;
  const listLater = (): void => {
    setTimeout(() => void sessions.refresh(), LISTED_AFTER_MS);
  };
  connections += 1;
  sessions.addOwn(ticket.claims.jti);
  elementOf(document, '#connections', HTMLElement).prepend(
    showConnection({
      number: connections,
      ticket,
      delivery: query.checked ? 'query' : 'subprotocol',
      tickets: renewalProvider(issued, broker),
      onAdmitted() {
        ticketPanel.markUsed(ticket);
        listLater();
        if (issued === current) showNextStep('open');
      },
      onClosed(admitted) {
        listLater();
        if (issued === current) showNextStep(admitted ? 'ended' : 'refused');
      },
      onRenewal(text) {
        const renewal = decodeTicket(text);
        if (renewal.ok) sessions.addOwn(renewal.value.claims.jti);
      },
      announce: (sentence) => {
        announcement.textContent = sentence;
      },
    }),
  );
  openButton.textContent = 'Connect again with the same ticket';
  // It is meant to fail: what a visitor usually wants is another ticket.
  openButton.className = 'plain';
  openNote.textContent = 'One ticket opens one session: a second try is refused, and says why.';
}

const PAGE_NAMES = {
  chat: 'The chat, as an app would have it',
  integrations: 'MCP servers and webhooks',
} as const;

/** Links to agents that have a page here. */
function linkPages({ pages }: DemoFacts): void {
  const nav = elementOf(document, '#pages', HTMLElement);
  for (const page of pages) {
    const link = make('a', PAGE_NAMES[page]);
    link.href = `/${page}`;
    nav.append(link);
  }
  setVisible(nav, pages.length > 0);
}

async function start(): Promise<void> {
  const facts = await readFacts();
  const { broker, accessUrl, agents } = facts;
  linkPages(facts);
  const requestBroker = createRequestBroker(broker);
  const identity = showIdentity({ broker, page: `${location.origin}/`, accessUrl }, requestBroker, () => {
    ticketRequest.clear();
    void sessions.refresh();
  });
  const sessions = showSessions(requestBroker, identity);
  const ticketRequest = showTicketRequest({
    agents,
    requestBroker,
    caller: identity.caller,
    onTicket: setTicket,
    onError: showError,
  });
  elementOf(document, '#open', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    if (current !== undefined) connect(current, broker, sessions);
  });
  await identity.refresh();
  await sessions.refresh();
}

/** Shows an unexpected exception on the page and in the console. */
function showError(error: unknown): void {
  const message = elementOf(document, '#ticket-request-error', HTMLElement);
  message.textContent = `The page could not do that (${String(error)}). Look whether the agent worker runs, then reload.`;
  setVisible(message, true);
  console.error(error);
}

start().catch(showError);
