import { make } from '../dom.ts';
import { needOf } from './call-scope.ts';

/** Callable methods of the example agents that are worth a button. */
const METHODS: Readonly<Record<string, readonly string[]>> = {
  counter: ['increment', 'reset', 'whoami'],
  lobby: ['increment'],
};

export interface Calls {
  readonly elements: readonly HTMLElement[];
  /** Says anew which calls the session may make. */
  update(scope: string): void;
}

/** A call may be tried without its scope: that the refusal comes from the other side is what there is to see. */
export function callButtons(agent: string, scope: string, onCall: (method: string) => void): Calls {
  const made = (METHODS[agent] ?? []).map((method) => {
    const button = make('button', `${method}()`);
    button.type = 'button';
    button.className = 'plain';
    button.addEventListener('click', () => onCall(method));
    const note = make('span');
    note.className = 'note';
    note.id = `need-${crypto.randomUUID()}`;
    button.setAttribute('aria-describedby', note.id);
    return { method, note, element: make('div', button, note) };
  });
  const update = (now: string): void => {
    for (const { method, note } of made) {
      const { needed, held } = needOf(method, now);
      note.textContent = `The ticket ${held ? 'has' : 'lacks'} ${needed}.`;
      note.dataset.held = String(held);
    }
  };
  update(scope);
  return { elements: made.map(({ element }) => element), update };
}
