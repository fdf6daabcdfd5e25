import { clockTime, make, need, shown } from '../dom.ts';
import { frameText } from './frames.ts';

const FRAMES_SHOWN = 50;

/** Every frame of a socket, newest first, as it went over the wire. */
export function frameLog(card: HTMLElement): (direction: 'received' | 'sent', frame: string) => void {
  const details = need(card, '.frames', HTMLElement);
  const list = need(details, 'ol', HTMLElement);
  const count = need(details, '.count', HTMLElement);
  return (direction, frame) => {
    const entry = make('li', make('b', `${clockTime(Date.now())} ${direction} `), frameText(frame));
    entry.dataset.direction = direction;
    list.prepend(entry);
    if (list.childElementCount > FRAMES_SHOWN) list.lastElementChild?.remove();
    count.textContent = String(Number(count.textContent) + 1);
    shown(details, true);
  };
}
