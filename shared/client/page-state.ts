import { createPace, type Pace } from './pace.ts';
import type { ClientPorts } from './ports.ts';

/**
 * What all providers of one agent instance share, however many a page makes: a component that makes one in each
 * render must not get around the pace.
 */
interface PageState {
  readonly pace: Pace;
  made: number;
}

const states: Record<string, PageState> = {};

/** So many providers of one instance, so fast, are made by a render and not by a page. */
const RENDERED_PROVIDERS = 20;
const RENDERED_WITHIN_MS = 10_000;

/**
 * The pace of an agent instance. Throws a `TypeError` where a browser makes provider after provider: each would
 * replace the socket of the one before it, without an end.
 */
export function paceFor(
  key: string,
  clock: () => number,
  { random, after }: Pick<ClientPorts, 'random' | 'after'>,
  browser: boolean,
): Pace {
  states[key] ??= { pace: createPace(clock, random), made: 0 };
  const state = states[key];
  if (browser) {
    if (++state.made > RENDERED_PROVIDERS)
      throw new TypeError('createTicketProvider: once, not in each render');
    after(RENDERED_WITHIN_MS, () => {
      state.made--;
    });
  }
  return state.pace;
}
