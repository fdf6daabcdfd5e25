import { AgentClient } from 'agents/client';
import type { Notes } from './index';

/** Answers when the diary of a person is open, with what writes into it. */
async function open(name: string, show: (notes: Notes) => void) {
  const token = await (await fetch('/sign-in', { method: 'POST', body: name })).text();
  const query = { token };
  const diary = new AgentClient<unknown, Notes>({
    agent: 'diary',
    name,
    host: location.host,
    query,
    onStateUpdate: show,
  });
  await diary.ready;
  return (note: string) => diary.call('write', [note]);
}

/** The text of a form's field, once it is submitted. */
const submitted = (form: string, use: (text: string) => Promise<unknown>) =>
  document.querySelector(form)?.addEventListener('submit', (event) => {
    event.preventDefault();
    void use(document.querySelector<HTMLInputElement>(`${form} input`)?.value ?? '');
  });

const list = ({ notes }: Notes) => document.querySelector('#notes')?.replaceChildren(...notes.map(itemOf));

function itemOf(note: string): HTMLElement {
  const item = document.createElement('li');
  item.textContent = note;
  return item;
}

submitted('#enter', async (name) => {
  const write = await open(name, list);
  submitted('#write', write);
});
