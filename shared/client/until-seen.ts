import { type ClientPorts, listen, MAX_TIMER_MS } from './ports.ts';

/** The network came back, or the page into view. */
export const RECOVERY = ['online', 'visibilitychange'];
/** A person who left the page alone is back at it. */
export const SIGNS_OF_LIFE = ['pointerdown', 'keydown', 'focus', 'visibilitychange'];

/** Waits for one of the events while the page can be seen, at most `ms`; whether it came. */
export const untilSeen = (
  { page, after }: Pick<ClientPorts, 'page' | 'after'>,
  types: readonly string[],
  ms = MAX_TIMER_MS,
): Promise<boolean> =>
  new Promise((resolve) => {
    const end = (seen: boolean): void => {
      deaf();
      cancel();
      resolve(seen);
    };
    const deaf = listen(page, types, () => {
      if (!page.document?.hidden) end(true);
    });
    const cancel = after(ms, () => end(false));
  });
