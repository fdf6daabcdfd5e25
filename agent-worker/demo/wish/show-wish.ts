import { type AskBroker, describeRefusal, type Speaker } from '../broker.ts';
import { make, need, shown } from '../dom.ts';
import type { DemoAgent } from '../facts.ts';
import { type Found, findTicket, type ReadTicket } from '../ticket/ticket-text.ts';
import { showAgents } from './agent-choice.ts';
import { createExplanationView } from './show-explanation.ts';
import { LIFE_CHOICES, SCOPE_CHOICES, type Wish, wishOf } from './wish.ts';

/** A ticket, and the question that it answered; one that was pasted in answered nobody here. */
export interface Gotten {
  readonly ticket: ReadTicket;
  readonly asked?: { readonly speaker: Speaker; readonly wish: Wish };
}

export interface WishOptions {
  readonly agents: readonly DemoAgent[];
  readonly ask: AskBroker;
  readonly speaker: () => Speaker;
  readonly onTicket: (gotten: Gotten) => void;
  /** Something that should not happen. */
  readonly onBug: (error: unknown) => void;
}

/** The form that asks for a ticket, and what becomes of it. */
export function showWish({ agents, ask, speaker, onTicket, onBug }: WishOptions): { clear(): void } {
  const form = need(document, '#wish', HTMLFormElement);
  const instance = need(form, '#instance', HTMLInputElement);
  const scope = need(form, '#scope', HTMLSelectElement);
  const life = need(form, '#life', HTMLSelectElement);
  const fault = need(document, '#wish-fault', HTMLElement);
  const pasted = need(document, '#pasted', HTMLTextAreaElement);
  const explanation = createExplanationView(ask);
  const { chosen } = showAgents(agents, speaker() === 'nobody');
  scope.replaceChildren(...SCOPE_CHOICES.map(({ id, text }) => option(id, text)));
  life.replaceChildren(...LIFE_CHOICES.map((seconds) => option(String(seconds), `${seconds} seconds`)));

  const wish = (): Wish | undefined => {
    const agent = chosen();
    return agent && wishOf(agent.slug, instance.value, scope.value, life.value);
  };

  function say(text: string | undefined): void {
    fault.textContent = text ?? '';
    shown(fault, text !== undefined);
  }

  function take(found: Found<ReadTicket>, asked?: Gotten['asked']): void {
    explanation.hide();
    say(found.ok ? undefined : found.fault);
    if (found.ok) onTicket({ ticket: found.value, ...(asked === undefined ? {} : { asked }) });
  }

  async function get(wanted: Wish): Promise<void> {
    const asked = { speaker: speaker(), wish: wanted };
    const answer = await ask(asked.speaker, 'POST', '/tickets', wanted);
    if (answer.ok) return take(findTicket(answer.text), asked);
    say(describeRefusal(answer.refusal));
    // The rules that refused are for whoever asked; a stranger is told nothing by the broker.
    if (answer.refusal.status === 403) await explanation.explain(asked.speaker, wanted);
    else explanation.hide();
  }

  async function why(wanted: Wish): Promise<void> {
    say(undefined);
    await explanation.explain(speaker(), wanted);
  }

  /** One question at a time: a second click meets a button that is busy. */
  const onWish = (act: (wanted: Wish) => Promise<void>): void => {
    const wanted = wish();
    if (wanted === undefined || form.ariaBusy === 'true') return;
    form.ariaBusy = 'true';
    act(wanted)
      .finally(() => {
        form.ariaBusy = 'false';
      })
      .catch(onBug);
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    onWish(get);
  });
  need(form, '#why', HTMLButtonElement).addEventListener('click', () => onWish(why));
  need(document, '#paste', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    take(findTicket(pasted.value));
  });
  return {
    clear() {
      say(undefined);
      explanation.hide();
    },
  };
}

function option(value: string, text: string): HTMLOptionElement {
  const element = make('option', text);
  element.value = value;
  return element;
}
