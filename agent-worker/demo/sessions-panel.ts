import { describeRefusal, listOf, membersOf, type RequestBroker, textOr } from './broker.ts';
import { clockTime, elementOf, make, setVisible } from './dom.ts';
import type { IdentityPanel } from './identity-panel.ts';

/** A live session of the person, as `GET /sessions` of the broker lists it. */
interface LiveSession {
  readonly id: string;
  readonly agent: string;
  readonly instance: string;
  readonly role: string;
  /** Of the ticket that opened or last renewed it. */
  readonly jti: string;
  /** In ms since 1970. */
  readonly startedAt: number;
}

export function readSessions(body: unknown): LiveSession[] {
  return listOf(membersOf(body).items).flatMap((item) => {
    const { id, agent, instance, role, jti, started_at: started } = membersOf(item);
    const startedAt = typeof started === 'string' ? Date.parse(started) : Number.NaN;
    if (typeof id !== 'string' || Number.isNaN(startedAt)) return [];
    return [
      {
        id,
        agent: textOr(agent, '?'),
        instance: textOr(instance, '?'),
        role: textOr(role, '?'),
        jti: textOr(jti, ''),
        startedAt,
      },
    ];
  });
}

/** The result of ending a session, by the receipt of `DELETE /sessions/:id`. */
export function describeReceipt(body: unknown): string {
  const { closed, ms } = membersOf(membersOf(body).receipt);
  if (typeof closed !== 'number') return 'The broker ended it.';
  const took = typeof ms === 'number' ? ` in ${Math.round(ms)} ms` : '';
  return closed === 1
    ? `Ended: its socket was closed${took}.`
    : `Ended: ${closed} sockets were closed${took}.`;
}

export interface SessionsPanel {
  refresh(): Promise<void>;
  /** Registers a ticket with which this window opened or renewed a session. */
  addOwn(jti: string): void;
}

/** The live sessions of the caller, from all windows and machines, each with a button that ends it. */
export function showSessions(
  request: RequestBroker,
  { caller, isSignedIn }: Pick<IdentityPanel, 'caller' | 'isSignedIn'>,
): SessionsPanel {
  const section = elementOf(document, '#sessions', HTMLElement);
  const about = elementOf(section, '#sessions-about', HTMLElement);
  const announcement = elementOf(section, '#sessions-announcement', HTMLElement);
  const list = elementOf(section, '#sessions-list', HTMLElement);
  const own = new Set<string>();

  async function refresh(): Promise<void> {
    // A person sees no session that was opened without a sign-in.
    setVisible(section, caller() !== 'anonymous');
    if (caller() === 'anonymous') return;
    if (!isSignedIn()) {
      list.replaceChildren();
      about.textContent = 'Sign in to see your sessions.';
      return;
    }
    const answer = await request('signed-in', 'GET', '/sessions');
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
    const answer = await request(caller(), 'DELETE', `/sessions/${id}`);
    announcement.textContent = answer.ok ? describeReceipt(answer.body) : describeRefusal(answer.refusal);
    await refresh();
    // The focused button was removed; keyboard users continue from here.
    elementOf(section, '#sessions-refresh', HTMLButtonElement).focus();
  }

  elementOf(section, '#sessions-refresh', HTMLButtonElement).addEventListener('click', () => {
    announcement.textContent = '';
    void refresh();
  });
  return { refresh, addOwn: (jti) => void own.add(jti) };
}
