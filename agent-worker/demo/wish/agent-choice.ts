import { make, need } from '../dom.ts';
import type { DemoAgent } from '../facts.ts';
import { describeAccess, proposedInstance } from './wish.ts';

/** The choice of an agent, and with it of an instance. */
export function showAgents(agents: readonly DemoAgent[]): { chosen(): DemoAgent | undefined } {
  const list = need(document, '#agents', HTMLElement);
  const about = need(document, '#agent-about', HTMLElement);
  const instance = need(document, '#instance', HTMLInputElement);
  const random = crypto.randomUUID().slice(0, 8);

  const chosen = (): DemoAgent | undefined => {
    const checked = list.querySelector('input:checked');
    return agents.find(({ slug }) => checked instanceof HTMLInputElement && checked.value === slug);
  };

  const render = (): void => {
    const agent = chosen();
    about.textContent = agent === undefined ? '' : describeAccess(agent);
    if (agent !== undefined) instance.value = proposedInstance(agent, random);
  };

  list.replaceChildren(...agents.map((agent, index) => choiceOf(agent, index === 0)));
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
  return make('label', input, make('span', make('b', displayName), description));
}
