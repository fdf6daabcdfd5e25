import { showAgents } from './agent-choice.ts';
import { askForTicket } from './ask-broker.ts';
import { need, shown } from './dom.ts';
import type { DemoFacts } from './facts.ts';
import { showConnection } from './show-connection.ts';
import { createTicketView } from './show-ticket.ts';
import { type Found, findTicket, type ReadTicket } from './ticket-text.ts';

/** The demo page: one ticket at a time, any number of tries with it. */

const faultText = need(document, '#get-fault', HTMLElement);
const openButton = need(document, '#open-button', HTMLButtonElement);
const openNote = need(document, '#open-note', HTMLElement);
const told = need(document, '#told', HTMLElement);
const view = createTicketView();
let ticket: ReadTicket | undefined;
let connections = 0;

function take(found: Found<ReadTicket>): void {
  shown(faultText, !found.ok);
  if (!found.ok) {
    faultText.textContent = found.fault;
    return;
  }
  ticket = found.value;
  view.show(ticket);
  openButton.textContent = 'Connect';
  openNote.textContent = '';
  shown(need(document, '#connect', HTMLElement), true);
}

function connect(current: ReadTicket): void {
  const query = need(document, 'input[value="query"]', HTMLInputElement);
  connections += 1;
  need(document, '#connections', HTMLElement).prepend(
    showConnection({
      number: connections,
      ticket: current,
      delivery: query.checked ? 'query' : 'subprotocol',
      onAdmitted: () => view.markUsed(current),
      tell: (sentence) => {
        told.textContent = sentence;
      },
    }),
  );
  openButton.textContent = 'Connect again with the same ticket';
  openNote.textContent = 'One ticket opens one session: a second try is refused, and says why.';
}

async function start(): Promise<void> {
  const answer = await fetch('/demo.json');
  if (!answer.ok) throw new Error(`/demo.json answered ${answer.status}`);
  const facts: DemoFacts = await answer.json();
  const { chosen } = showAgents(facts.agents);
  const button = need(document, '#ask-button', HTMLButtonElement);

  need(document, '#get', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    const agent = chosen();
    if (agent === undefined) return;
    if (agent.access !== 'public')
      return take(findTicket(need(document, '#pasted', HTMLTextAreaElement).value));
    button.disabled = true;
    askForTicket(facts.broker, agent.slug, agent.instances[0] ?? 'default')
      .then(take)
      .finally(() => {
        button.disabled = false;
      })
      .catch(explain);
  });
  need(document, '#open', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    if (ticket !== undefined) connect(ticket);
  });
}

/** Something that should not happen: said on the page, and left for the console to show. */
function explain(error: unknown): void {
  faultText.textContent = `The page could not do that (${String(error)}). Look whether the agent worker runs, then reload.`;
  shown(faultText, true);
  console.error(error);
}

start().catch(explain);
