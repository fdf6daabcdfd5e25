import { logFailure } from './ask-agent.ts';

/** The method that the SDK's scheduler calls. */
export const SWEEP = 'ticketSweep';
/** The SDK's schedule counts whole seconds; below one it would fire before its time. */
const SCHEDULE_STEP_MS = 1_000;

/**
 * Sees to it that the next sweep comes in time. Whether it will: an agent's own scheduler may throw, and an object
 * that is being destroyed has none.
 *
 * @param due when something is due, in ms; infinite: never.
 */
export async function armSweep(
  plans: {
    readonly list: () => readonly { readonly callback: string; readonly time: number }[];
    readonly add: (at: Date) => Promise<unknown>;
  },
  due: number,
  now: number,
): Promise<boolean> {
  if (due === Number.POSITIVE_INFINITY) return true;
  const at = Math.max(due, now) + SCHEDULE_STEP_MS;
  try {
    const planned = plans
      .list()
      .some((s) => s.callback === SWEEP && s.time * 1000 <= at && s.time * 1000 > now);
    if (!planned) await plans.add(new Date(at));
    return true;
  } catch (error) {
    logFailure(error);
    return false;
  }
}
