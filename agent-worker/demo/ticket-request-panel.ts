import { type Caller, describeRefusal, type RequestBroker } from './broker.ts';
import { elementOf, make, setVisible } from './dom.ts';
import { createExplanationPanel } from './explanation-panel.ts';
import type { DemoAgent } from './facts.ts';
import { type DecodedTicket, findTicket, type Parsed } from './ticket-panel.ts';

/** The body of `POST /tickets`. */
interface TicketRequest {
  readonly agent: string;
  readonly instance: string;
  readonly scope?: string;
  readonly expires_in?: number;
}

/** Scopes to choose from. The last two demonstrate a refusal: they exceed most roles. */
export const SCOPE_CHOICES = [
  { id: 'role', text: 'All that my role allows', scope: undefined },
  { id: 'read', text: 'Less: connect and read', scope: 'agent:connect agent:state:read' },
  { id: 'whoami', text: 'Less: connect and whoami()', scope: 'agent:connect agent:rpc:whoami' },
  {
    id: 'increment',
    text: 'increment(), which a viewer may not',
    scope: 'agent:connect agent:rpc:increment',
  },
  { id: 'all', text: 'Every call, which only an owner may', scope: 'agent:connect agent:rpc:*' },
] as const;

/** Lives of a ticket to choose from, in seconds. */
const LIFE_CHOICES = [60, 10, 300] as const;

export function ticketRequest(agent: string, instance: string, choice: string, life: string): TicketRequest {
  const scope = SCOPE_CHOICES.find(({ id }) => id === choice)?.scope;
  const seconds = LIFE_CHOICES.find((each) => String(each) === life) ?? LIFE_CHOICES[0];
  return { agent, instance: instance.trim(), ...(scope === undefined ? {} : { scope }), expires_in: seconds };
}

/** The default instance. `random` makes a name that probably nobody else owns. */
export function defaultInstance({ access, instances }: DemoAgent, random: string): string {
  const [only] = instances;
  if (only !== undefined) return only;
  return access === 'first-user' ? `mine-${random}` : 'demo';
}

/** The access rule of an agent as a sentence. */
export function describeAccess({ displayName, access, instances }: DemoAgent): string {
  const only = instances.length === 0 ? '' : ` Its only instance is ${instances.join(', ')}.`;
  const rule = {
    public: 'lets everybody in, also without a sign-in.',
    viewer: 'lets in anybody who is somebody, as a viewer. Grants make some of them admin or owner.',
    'first-user': 'belongs to the first person who gets a ticket for an instance.',
  }[access];
  return `${displayName} ${rule}${only}`;
}

/** A ticket, and the request for it; a pasted ticket has none. */
export interface IssuedTicket {
  readonly ticket: DecodedTicket;
  readonly request?: { readonly caller: Caller; readonly body: TicketRequest };
}

interface TicketRequestPanelOptions {
  readonly agents: readonly DemoAgent[];
  readonly requestBroker: RequestBroker;
  readonly caller: () => Caller;
  readonly onTicket: (issued: IssuedTicket) => void;
  /** An unexpected exception. */
  readonly onError: (error: unknown) => void;
}

/** The form that requests a ticket, and its result. */
export function showTicketRequest({
  agents,
  requestBroker,
  caller,
  onTicket,
  onError,
}: TicketRequestPanelOptions): { clear(): void } {
  const form = elementOf(document, '#ticket-request', HTMLFormElement);
  const instance = elementOf(form, '#instance', HTMLInputElement);
  const scope = elementOf(form, '#scope', HTMLSelectElement);
  const life = elementOf(form, '#life', HTMLSelectElement);
  const error = elementOf(document, '#ticket-request-error', HTMLElement);
  const pasted = elementOf(document, '#pasted', HTMLTextAreaElement);
  const explanation = createExplanationPanel(requestBroker);
  const { chosen } = showAgents(agents, caller() === 'anonymous');
  scope.replaceChildren(...SCOPE_CHOICES.map(({ id, text }) => option(id, text)));
  life.replaceChildren(...LIFE_CHOICES.map((seconds) => option(String(seconds), `${seconds} seconds`)));

  const chosenRequest = (): TicketRequest | undefined => {
    const agent = chosen();
    return agent && ticketRequest(agent.slug, instance.value, scope.value, life.value);
  };

  function showError(text: string | undefined): void {
    error.textContent = text ?? '';
    setVisible(error, text !== undefined);
  }

  function show(found: Parsed<DecodedTicket>, request?: IssuedTicket['request']): void {
    explanation.hide();
    showError(found.ok ? undefined : found.error);
    if (found.ok) onTicket({ ticket: found.value, ...(request === undefined ? {} : { request }) });
  }

  async function getTicket(body: TicketRequest): Promise<void> {
    const request = { caller: caller(), body };
    const answer = await requestBroker(request.caller, 'POST', '/tickets', body);
    if (answer.ok) return show(findTicket(answer.text), request);
    showError(describeRefusal(answer.refusal));
    // The broker explains its rules to the caller of the request only, and not to anonymous callers.
    if (answer.refusal.status === 403) await explanation.explain(request.caller, body);
    else explanation.hide();
  }

  async function explain(body: TicketRequest): Promise<void> {
    showError(undefined);
    await explanation.explain(caller(), body);
  }

  /** One request at a time: while the form is busy, another click has no effect. */
  const submit = (send: (body: TicketRequest) => Promise<void>): void => {
    const body = chosenRequest();
    if (body === undefined || form.ariaBusy === 'true') return;
    form.ariaBusy = 'true';
    send(body)
      .finally(() => {
        form.ariaBusy = 'false';
      })
      .catch(onError);
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit(getTicket);
  });
  elementOf(form, '#explain', HTMLButtonElement).addEventListener('click', () => submit(explain));
  elementOf(document, '#paste', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    show(findTicket(pasted.value));
  });
  return {
    clear() {
      showError(undefined);
      explanation.hide();
    },
  };
}

function option(value: string, text: string): HTMLOptionElement {
  const element = make('option', text);
  element.value = value;
  return element;
}

/** The choice of an agent and its instance. For an anonymous caller a public agent is preselected. */
function showAgents(agents: readonly DemoAgent[], anonymous: boolean): { chosen(): DemoAgent | undefined } {
  const list = elementOf(document, '#agents', HTMLElement);
  const about = elementOf(document, '#agent-about', HTMLElement);
  const instance = elementOf(document, '#instance', HTMLInputElement);
  const random = crypto.randomUUID().slice(0, 8);

  const chosen = (): DemoAgent | undefined => {
    const checked = list.querySelector('input:checked');
    return agents.find(({ slug }) => checked instanceof HTMLInputElement && checked.value === slug);
  };

  const render = (): void => {
    const agent = chosen();
    about.textContent = agent === undefined ? '' : describeAccess(agent);
    if (agent !== undefined) instance.value = defaultInstance(agent, random);
  };

  const first = agents.find(({ access }) => !anonymous || access === 'public') ?? agents[0];
  list.replaceChildren(...agents.map((agent) => choiceOf(agent, agent === first)));
  list.addEventListener('change', render);
  render();
  return { chosen };
}

function choiceOf({ slug, displayName, description }: DemoAgent, checked: boolean): HTMLElement {
  const input = make('input');
  input.type = 'radio';
  input.name = 'agent';
  input.value = slug;
  input.checked = checked;
  return make('label', input, make('span', make('b', displayName), make('small', description)));
}
