import { elementOf } from './dom.ts';

/** The last event and the next step, in one sentence each. */
interface Step {
  readonly happened: string;
  readonly next: string;
  /** The part of the page where that is done. */
  readonly where: string;
}

const STEPS = {
  ticket: {
    happened: 'You have a ticket: it opens one WebSocket, once.',
    next: 'Connect with it.',
    where: '#connect',
  },
  open: {
    happened: 'You are connected, and the ticket is used up.',
    next: 'Connect again with the same ticket, and see it refused.',
    where: '#connect',
  },
  ended: {
    happened: 'That connection has ended.',
    next: 'Get another ticket to open the next one.',
    where: '#ticket-request',
  },
  refused: {
    happened: 'Refused, as it should be: one ticket opens one session.',
    next: 'Get another ticket, or sign in and end a session from a second window.',
    where: '#ticket-request',
  },
} as const satisfies Record<string, Step>;

/** Shows the next step at the lower edge of the window, since the page is longer than the window. */
export function showNextStep(name: keyof typeof STEPS): void {
  const { happened, next, where } = STEPS[name];
  const bar = elementOf(document, '#next', HTMLElement);
  elementOf(bar, '.happened', HTMLElement).textContent = happened;
  const link = elementOf(bar, 'a', HTMLAnchorElement);
  link.textContent = next;
  link.href = where;
}
