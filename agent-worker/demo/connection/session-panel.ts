import type { TicketProvider } from '@agent-ticket/shared/client/provider.ts';
import { clockTime, make, need } from '../dom.ts';
import { type Heard, renewal } from './frames.ts';
import { sessionTimeOf } from './session-time.ts';

export interface SessionPanel {
  /** Shows what a frame says about the session; answers a sentence for those who do not see it. */
  hear(heard: Heard): string | undefined;
  stop(): void;
}

export interface SessionPanelOptions {
  readonly card: HTMLElement;
  readonly endsAt: number;
  readonly send: (frame: string) => void;
  /** Renews the session; left out where nobody here could, or nobody at all. */
  readonly tickets: TicketProvider | undefined;
}

/** When a session ends, and what became of renewing it. */
export function showSession({ card, endsAt, send, tickets }: SessionPanelOptions): SessionPanel {
  const text = need(card, '.session-text', HTMLElement);
  const events = need(card, '.session-events', HTMLElement);
  const renew = need(card, '.renew', HTMLButtonElement);
  let ends = endsAt;

  const look = (): void => {
    text.textContent = `The session goes on ${sessionTimeOf(ends, Date.now())}, until ${clockTime(ends)}.`;
  };
  const note = (sentence: string): string => {
    events.append(make('li', `${clockTime(Date.now())} ${sentence}`));
    return sentence;
  };
  renew.hidden = tickets === undefined;
  renew.addEventListener('click', () => {
    renew.disabled = true;
    tickets
      ?.mint()
      .then(
        ({ protocols: [, ticket = ''] }) => send(renewal(ticket)),
        (error: Error) => note(`No ticket to renew with: ${error.name}.`),
      )
      .finally(() => {
        renew.disabled = false;
      });
  });
  look();
  const timer = setInterval(look, 1000);

  return {
    hear(heard) {
      if (heard.kind === 'expiring') {
        ends = heard.endsAt;
        look();
        return note(
          `The session ends soon, at ${clockTime(ends)}. The client asks for a ticket to renew it.`,
        );
      }
      if (heard.kind === 'renewed') {
        ends = heard.endsAt;
        look();
        return note(`Renewed: the session now ends at ${clockTime(ends)}.`);
      }
      if (heard.kind === 'not renewed') return note(`Not renewed: ${heard.code}.`);
      return undefined;
    },
    stop: () => clearInterval(timer),
  };
}
