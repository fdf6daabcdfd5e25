import { elementOf } from './dom.ts';

/** The last event in one sentence, and the next step, for which the bar has a button. */
interface Step {
  readonly happened: string;
  readonly next: string;
  /** The form that does the next step. */
  readonly form: 'ticket-request' | 'open';
  /** The part of the page that shows what happened. */
  readonly result: string;
}

const STEPS = {
  ticket: {
    happened: 'You have a ticket: it opens one WebSocket, once.',
    next: 'Connect with it',
    form: 'open',
    result: '#ticket',
  },
  open: {
    happened: 'You are connected, and the ticket is used up.',
    next: 'Use it again, and see it refused',
    form: 'open',
    result: '#connect',
  },
  ended: {
    happened: 'That connection has ended.',
    next: 'Get another ticket',
    form: 'ticket-request',
    result: '#connect',
  },
  refused: {
    happened: 'Refused, as it should be: one ticket opens one session.',
    next: 'Get another ticket',
    form: 'ticket-request',
    result: '#connect',
  },
} as const satisfies Record<string, Step>;

const bar = elementOf(document, '#next', HTMLElement);
const button = elementOf(bar, 'button', HTMLButtonElement);
/** Whether a person began the last step at the bar, where the result is not visible. */
let isFromBar = false;
button.addEventListener('click', () => {
  isFromBar = true;
  // The page shows a refusal below the form.
  button.form?.scrollIntoView({ block: 'nearest' });
});

/** Shows the next step at the lower edge of the window, since the page is longer than the window. */
export function showNextStep(name: keyof typeof STEPS): void {
  const { happened, next, form, result } = STEPS[name];
  elementOf(bar, '.happened', HTMLElement).textContent = happened;
  button.textContent = next;
  button.setAttribute('form', form);
  if (isFromBar) elementOf(document, result, HTMLElement).scrollIntoView({ block: 'start' });
  isFromBar = false;
}
