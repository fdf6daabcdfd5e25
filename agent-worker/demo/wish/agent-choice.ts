import { make, need } from '../dom.ts';
import type { DemoAgent } from '../facts.ts';
import { describeAccess, proposedInstance } from './wish.ts';

/** The choice of an agent, and with it of an instance. A stranger begins with an agent that lets strangers in. */
export function showAgents(
  agents: readonly DemoAgent[],
  stranger: boolean,
): { chosen(): DemoAgent | undefined } {
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

  const first = agents.find(({ access }) => !stranger || access === 'public') ?? agents[0];
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
  return make('label', input, make('span', make('b', displayName), description));
}
