import { type AskBroker, describeRefusal, type Speaker } from '../broker.ts';
import { make, need, shown } from '../dom.ts';
import { describeGrants, readExplanation, verdictOf } from './explanation.ts';
import type { Wish } from './wish.ts';

export interface ExplanationView {
  /** Asks the broker for the decision on a wish, and shows it rule by rule. */
  explain(speaker: Speaker, wish: Wish): Promise<void>;
  hide(): void;
}

export function createExplanationView(ask: AskBroker): ExplanationView {
  const box = need(document, '#explanation', HTMLElement);
  const verdict = need(box, '#verdict', HTMLElement);
  const rules = need(box, '#rules', HTMLElement);
  const grants = need(box, '#grants', HTMLElement);

  return {
    async explain(speaker, { agent, instance, scope }) {
      const answer = await ask(speaker, 'POST', '/explain', {
        agent,
        instance,
        ...(scope === undefined ? {} : { scope }),
      });
      const explanation = answer.ok ? readExplanation(answer.body) : undefined;
      shown(box, true);
      if (explanation === undefined) {
        verdict.textContent = answer.ok
          ? 'The broker’s explanation is not in a form that this page knows.'
          : `The broker explains no further. ${describeRefusal(answer.refusal)}`;
        rules.replaceChildren();
        grants.textContent = '';
        return;
      }
      box.dataset.allowed = String(explanation.allowed || explanation.wouldClaim);
      verdict.textContent = verdictOf(explanation);
      rules.replaceChildren(...explanation.rules.map(({ rule, holds }) => ruleElement(rule, holds)));
      grants.textContent = describeGrants(explanation);
    },
    hide: () => shown(box, false),
  };
}

function ruleElement(rule: string, holds: boolean): HTMLElement {
  const mark = make('span', holds ? '✓' : '✗');
  mark.className = 'mark';
  mark.ariaHidden = 'true';
  const item = make('li', mark, make('span', rule, heardOnly(holds ? ': holds' : ': does not hold')));
  item.dataset.holds = String(holds);
  return item;
}

function heardOnly(text: string): HTMLElement {
  const element = make('span', text);
  element.className = 'only-heard';
  return element;
}
