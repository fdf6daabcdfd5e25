import { make, need, shown } from './dom.ts';
import type { DemoAgent } from './facts.ts';

/** The choice of an agent, and with it of the way to a ticket: ask as a stranger, or paste one. */
export function showAgents(agents: readonly DemoAgent[]): { chosen(): DemoAgent | undefined } {
  const list = need(document, '#agents', HTMLElement);
  const ask = need(document, '#ask', HTMLElement);
  const paste = need(document, '#paste', HTMLElement);
  const about = need(document, '#ask-about', HTMLElement);

  const chosen = (): DemoAgent | undefined => {
    const checked = list.querySelector('input:checked');
    return agents.find(({ slug }) => checked instanceof HTMLInputElement && checked.value === slug);
  };

  const render = (): void => {
    const agent = chosen();
    shown(ask, agent?.access === 'public');
    shown(paste, agent !== undefined && agent.access !== 'public');
    about.textContent = `The ${agent?.slug} lets everybody in. The page asks the broker, on another origin, without a credential.`;
  };

  const first = agents.find(({ access }) => access === 'public') ?? agents[0];
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
