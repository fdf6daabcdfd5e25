/** The one element that a selector names. Throws an `Error` where page and script do not fit. */
export function need<T extends Element>(root: ParentNode, selector: string, kind: new () => T): T {
  const found = root.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${selector}`);
}

export const shown = (element: HTMLElement, show: boolean): void => {
  element.hidden = !show;
};

/** A section that was empty so far shows what is in it. */
export function fill(section: Element): void {
  shown(need(section, '.none', HTMLElement), false);
  shown(need(section, '.some', HTMLElement), true);
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
