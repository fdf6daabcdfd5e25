import { type AskBroker, describeRefusal } from '../broker.ts';
import { clockTime, make, need } from '../dom.ts';
import type { IdentityPanel } from '../who/show-identity.ts';
import { describeReceipt, type LiveSession, readSessions } from './sessions.ts';

export interface SessionsPanel {
  refresh(): Promise<void>;
  /** A ticket that this window opened or renewed a session with. */
  own(jti: string): void;
}

/** The live sessions of whoever asks, those of other windows and machines too, each with a way to end it. */
export function showSessions(
  ask: AskBroker,
  { speaker, isKnown }: Pick<IdentityPanel, 'speaker' | 'isKnown'>,
): SessionsPanel {
  const section = need(document, '#sessions', HTMLElement);
  const about = need(section, '#sessions-about', HTMLElement);
  const told = need(section, '#sessions-told', HTMLElement);
  const list = need(section, '#sessions-list', HTMLElement);
  const own = new Set<string>();

  async function refresh(): Promise<void> {
    if (speaker() === 'nobody') {
      list.replaceChildren();
      about.textContent = 'Nobody in particular has no list: sessions belong to whoever signed in.';
      return;
    }
    if (!isKnown()) {
      list.replaceChildren();
      about.textContent = 'Sign in to see your sessions.';
      return;
    }
    const answer = await ask('signed-in', 'GET', '/sessions');
    if (!answer.ok) {
      list.replaceChildren();
      about.textContent = describeRefusal(answer.refusal);
      return;
    }
    const sessions = readSessions(answer.body);
    about.textContent =
      sessions.length === 0
        ? 'You have no live session. One that was just opened is listed a moment later.'
        : 'Your live sessions, from every window and machine. Ending one closes its socket.';
    list.replaceChildren(...sessions.map(sessionElement));
  }

  function sessionElement({ id, agent, instance, role, jti, startedAt }: LiveSession): HTMLElement {
    const where = own.has(jti) ? 'this window' : 'elsewhere';
    const button = make('button', 'End');
    button.type = 'button';
    button.className = 'plain';
    button.ariaLabel = `End ${agent} / ${instance}, ${where}, since ${clockTime(startedAt)}`;
    button.addEventListener('click', () => void end(id));
    const place = make('b', `${agent} / ${instance}`);
    const facts = make('span', `${role}, since ${clockTime(startedAt)}, ${where}`);
    const item = make('li', make('div', place, facts), button);
    item.dataset.session = id;
    return item;
  }

  async function end(id: string): Promise<void> {
    const answer = await ask(speaker(), 'DELETE', `/sessions/${id}`);
    told.textContent = answer.ok ? describeReceipt(answer.body) : describeRefusal(answer.refusal);
    await refresh();
    // Its button went with it; whoever uses a keyboard goes on from here.
    need(section, '#sessions-refresh', HTMLButtonElement).focus();
  }

  need(section, '#sessions-refresh', HTMLButtonElement).addEventListener('click', () => {
    told.textContent = '';
    void refresh();
  });
  return { refresh, own: (jti) => void own.add(jti) };
}
