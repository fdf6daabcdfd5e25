/** The first element that matches a selector. Throws an `Error` where page and script do not match. */
export function elementOf<T extends Element>(root: ParentNode, selector: string, kind: new () => T): T {
  const found = root.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${selector}`);
}

export const setVisible = (element: HTMLElement, visible: boolean): void => {
  element.hidden = !visible;
};

/** Shows the content of a section in place of its note that there is none. */
export function showContent(section: Element): void {
  setVisible(elementOf(section, '.none', HTMLElement), false);
  setVisible(elementOf(section, '.some', HTMLElement), true);
}

/** An element with text and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  ...content: readonly (string | Node)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  element.append(...content);
  return element;
}

/** Time of day to the second, with the date where that is another day than today. `ms` since 1970. */
export function clockTime(ms: number): string {
  const moment = new Date(ms);
  const time = moment.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  if (moment.toDateString() === new Date().toDateString()) return time;
  return `${moment.toLocaleDateString([], { month: 'short', day: 'numeric' })}, ${time}`;
}

/** The remaining time until `endsAt` as text. Times in ms since 1970. */
export function remainingTime(endsAt: number, now: number): string {
  const seconds = Math.max(0, Math.round((endsAt - now) / 1000));
  if (seconds === 0) return 'is over';
  if (seconds < 120) return `for ${seconds} ${seconds === 1 ? 'second' : 'seconds'}`;
  return `for ${Math.round(seconds / 60)} minutes`;
}
