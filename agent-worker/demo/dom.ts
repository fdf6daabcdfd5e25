/** The one element that a selector names. Throws an `Error` where page and script do not fit. */
export function need<T extends Element>(root: ParentNode, selector: string, kind: new () => T): T {
  const found = root.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${selector}`);
}

export const shown = (element: HTMLElement, show: boolean): void => {
  element.hidden = !show;
};

/** An element with text and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  ...content: readonly (string | Node)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  element.append(...content);
  return element;
}

/** Time of day, to the second. `ms` since 1970. */
export const clockTime = (ms: number): string =>
  new Date(ms).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
